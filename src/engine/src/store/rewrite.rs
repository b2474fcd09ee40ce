//! Finding names in streams of bytes, and replacing them by names of the same length.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// From how many bytes on a search is worth the time to make the fast one.
const MUCH: usize = 32 * 1024;

/// A search for several byte strings at once, in pieces of a stream.
///
/// Of overlapping finds the leftmost counts, and of those the longest: `libfoo-123` is not taken
/// for `foo-123`.
#[derive(Debug)]
pub struct Patterns {
    /// Quickly made.
    search: Option<AhoCorasick>,
    /// Quickly done.
    fast_search: OnceLock<Option<AhoCorasick>>,
    texts: Vec<Vec<u8>>,
    replacements: Vec<Option<Vec<u8>>>,
    longest: usize,
}

/// A set of patterns that the search library refused, for example for its size.
#[derive(Debug, thiserror::Error)]
#[error("cannot search for names: {0}")]
pub struct PatternError(#[from] aho_corasick::BuildError);

impl Patterns {
    /// Prepares a search. A pattern with a replacement is replaced.
    ///
    /// # Errors
    /// When there are too many patterns.
    pub fn new(patterns: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<Patterns, PatternError> {
        let texts: Vec<Vec<u8>> = patterns.iter().map(|(pattern, _)| pattern.clone()).collect();
        let is_any = !texts.is_empty();
        let search =
            is_any.then(|| build(&texts, Some(AhoCorasickKind::NoncontiguousNFA))).transpose()?;
        Ok(Patterns {
            search,
            fast_search: OnceLock::new(),
            texts,
            longest: patterns.iter().map(|(pattern, _)| pattern.len()).max().unwrap_or(0),
            replacements: patterns.iter().map(|(_, replacement)| replacement.clone()).collect(),
        })
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Returns whether there is nothing to search for.
    pub fn is_empty(&self) -> bool {
        self.search.is_none()
    }

    /// Returns whether a pattern has a replacement.
    pub fn replaces(&self, number: usize) -> bool {
        self.replacements.get(number).is_some_and(Option::is_some)
    }

    /// Returns the search for this number of bytes.
    fn search(&self, length: usize) -> Option<&AhoCorasick> {
        let fast = || self.fast_search.get_or_init(|| build(&self.texts, None).ok()).as_ref();
        let search = self.search.as_ref()?;
        Some(if length < MUCH { search } else { fast().unwrap_or(search) })
    }

    /// Begins a stream.
    pub fn stream(&self) -> Stream<'_> {
        Stream { patterns: self, pending: Vec::new() }
    }

    /// Searches and replaces in bytes that are whole.
    pub fn apply(&self, bytes: &[u8], mut found: impl FnMut(usize)) -> Vec<u8> {
        let mut result = Vec::with_capacity(bytes.len());
        let mut stream = self.stream();
        stream.push(bytes, &mut |part| result.extend_from_slice(part), &mut found);
        stream.finish(&mut |part| result.extend_from_slice(part), &mut found);
        result
    }
}

fn build(
    texts: &[Vec<u8>],
    kind: Option<AhoCorasickKind>,
) -> Result<AhoCorasick, aho_corasick::BuildError> {
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).kind(kind).build(texts)
}

/// A search under way.
pub struct Stream<'a> {
    patterns: &'a Patterns,
    pending: Vec<u8>,
}

impl Stream<'_> {
    /// Takes the next bytes; gives what is certain to `out` and the number of each pattern to
    /// `found`.
    pub fn push(
        &mut self,
        bytes: &[u8],
        out: &mut impl FnMut(&[u8]),
        found: &mut impl FnMut(usize),
    ) {
        if self.patterns.search.is_none() {
            return out(bytes);
        }
        self.pending.extend_from_slice(bytes);
        // A find that begins before this place cannot be lengthened by bytes to come.
        let certain = (self.pending.len() + 1).saturating_sub(self.patterns.longest);
        self.emit(certain, out, found);
    }

    /// Ends the stream.
    pub fn finish(mut self, out: &mut impl FnMut(&[u8]), found: &mut impl FnMut(usize)) {
        let all = self.pending.len();
        self.emit(all, out, found);
    }

    fn emit(&mut self, certain: usize, out: &mut impl FnMut(&[u8]), found: &mut impl FnMut(usize)) {
        let Some(search) = self.patterns.search(self.pending.len()) else { return };
        let (mut done, mut end) = (0, certain);
        for find in search.find_iter(&self.pending) {
            if find.start() >= certain {
                break;
            }
            let number = find.pattern().as_usize();
            found(number);
            if let Some(replacement) = &self.patterns.replacements[number] {
                out(&self.pending[done..find.start()]);
                out(replacement);
                done = find.end();
            }
            // What was found is used up, also where nothing is replaced.
            end = end.max(find.end());
        }
        out(&self.pending[done..end]);
        self.pending.drain(..end);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patterns() -> Patterns {
        Patterns::new(&[
            (b"tmp-a".to_vec(), Some(b"obj-1".to_vec())),
            (b"bld/tmp-a".to_vec(), Some(b"obj/obj-1".to_vec())),
            (b"dep-b".to_vec(), None),
        ])
        .unwrap()
    }

    #[test]
    fn the_longer_name_wins() {
        let mut found = Vec::new();
        let result = patterns().apply(b"x bld/tmp-a tmp-a dep-b tmp-", |n| found.push(n));
        assert_eq!(result, b"x obj/obj-1 obj-1 dep-b tmp-");
        assert_eq!(found, [1, 0, 2]);
    }

    #[test]
    fn much_is_searched_as_little_is() {
        let little = b"x bld/tmp-a tmp-a dep-b tmp- ";
        let much = little.repeat(2 * MUCH / little.len());
        let mut found = Vec::new();
        let result = patterns().apply(&much, |n| found.push(n));
        assert_eq!(result, b"x obj/obj-1 obj-1 dep-b tmp- ".repeat(2 * MUCH / little.len()));
        assert_eq!(found, [1, 0, 2].repeat(2 * MUCH / little.len()));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same(
            words in prop::collection::vec(
                prop_oneof![Just("tmp-a"), Just("bld/"), Just("dep-b"), Just("t"), Just("xx")],
                0..12,
            ),
            size in 1usize..7,
        ) {
            let text = words.concat().into_bytes();
            let patterns = patterns();
            let (mut whole, mut found_whole) = (Vec::new(), Vec::new());
            whole.extend(patterns.apply(&text, |n| found_whole.push(n)));
            let (mut pieces, mut found) = (Vec::new(), Vec::new());
            let mut stream = patterns.stream();
            for piece in text.chunks(size) {
                let put = &mut |part: &[u8]| pieces.extend_from_slice(part);
                stream.push(piece, put, &mut |n| found.push(n));
            }
            stream.finish(&mut |part| pieces.extend_from_slice(part), &mut |n| found.push(n));
            prop_assert_eq!(pieces, whole);
            prop_assert_eq!(found, found_whole);
        }
    }
}
