//! Finding names in streams of bytes, and replacing them by names of the same length.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// From how many bytes on a search is worth the time to make the fast one.
const MUCH: usize = 32 * 1024;
/// So few patterns are looked for one after the other in less than that: to make a search for all
/// of them takes longer.
const FEW: usize = 16;

/// A search for several byte strings at once, in pieces of a stream.
///
/// Of overlapping finds the leftmost counts, and of those the longest: `libfoo-123` is not taken
/// for `foo-123`.
#[derive(Debug)]
pub struct Patterns {
    /// Quickly made, where there are more than a few patterns.
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
        let is_many = texts.len() > FEW || texts.iter().any(Vec::is_empty);
        let search =
            is_many.then(|| build(&texts, Some(AhoCorasickKind::NoncontiguousNFA))).transpose()?;
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
        self.texts.is_empty()
    }

    /// Returns what is searched for.
    pub fn texts(&self) -> &[Vec<u8>] {
        &self.texts
    }

    /// Returns whether a pattern has a replacement.
    pub fn replaces(&self, number: usize) -> bool {
        self.replacements.get(number).is_some_and(Option::is_some)
    }

    /// Gives the finds in bytes to `take`, in their order, until that returns `false`.
    fn each_find(&self, bytes: &[u8], mut take: impl FnMut(Find) -> bool) {
        let fast = || self.fast_search.get_or_init(|| build(&self.texts, None).ok()).as_ref();
        let search = if bytes.len() < MUCH { None } else { fast() };
        if let Some(search) = search.or(self.search.as_ref()) {
            for find in search.find_iter(bytes) {
                let number = find.pattern().as_usize();
                if !take(Find { number, start: find.start(), end: find.end() }) {
                    break;
                }
            }
            return;
        }
        // For each pattern, where it is next.
        let next = |text: &Vec<u8>, from: usize| {
            memchr::memmem::find(&bytes[from..], text).map(|start| from + start)
        };
        let mut places: Vec<_> = self.texts.iter().map(|text| next(text, 0)).collect();
        loop {
            let found = places.iter().enumerate().filter_map(|(number, place)| {
                let start = (*place)?;
                Some(Find { number, start, end: start + self.texts[number].len() })
            });
            // Of equal patterns the first counts.
            let first = found.min_by_key(|find| (find.start, std::cmp::Reverse(find.end)));
            let Some(find) = first else { return };
            let end = find.end;
            if !take(find) {
                return;
            }
            for (text, place) in self.texts.iter().zip(&mut places) {
                if place.is_some_and(|start| start < end) {
                    *place = next(text, end);
                }
            }
        }
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

/// Where a pattern is.
struct Find {
    number: usize,
    start: usize,
    end: usize,
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
        if self.patterns.is_empty() {
            return out(bytes);
        }
        let longest = self.patterns.longest;
        let mut rest = bytes;
        if bytes.len() > longest {
            // Only finds that begin in what is pending need it together with what follows.
            let pending = self.pending.len();
            if pending > 0 {
                self.pending.extend_from_slice(&bytes[..longest]);
                let done = self.patterns.emit(&self.pending, pending, out, found);
                rest = &bytes[done - pending..];
                self.pending.clear();
            }
            if rest.len() >= longest {
                let done = self.patterns.emit(rest, rest.len() + 1 - longest, out, found);
                rest = &rest[done..];
            }
        }
        self.pending.extend_from_slice(rest);
        // A find that begins before this place cannot be lengthened by bytes to come.
        let certain = (self.pending.len() + 1).saturating_sub(longest);
        if certain > 0 {
            let done = self.patterns.emit(&self.pending, certain, out, found);
            self.pending.drain(..done);
        }
    }

    /// Ends the stream.
    pub fn finish(self, out: &mut impl FnMut(&[u8]), found: &mut impl FnMut(usize)) {
        self.patterns.emit(&self.pending, self.pending.len(), out, found);
    }
}

impl Patterns {
    /// Gives bytes to `out` up to a place, and further to the end of the last find that begins
    /// before it; returns how many these were.
    fn emit(
        &self,
        bytes: &[u8],
        certain: usize,
        out: &mut impl FnMut(&[u8]),
        found: &mut impl FnMut(usize),
    ) -> usize {
        let (mut done, mut end) = (0, certain);
        self.each_find(bytes, |find| {
            if find.start >= certain {
                return false;
            }
            found(find.number);
            if let Some(replacement) = &self.replacements[find.number] {
                out(&bytes[done..find.start]);
                out(replacement);
                done = find.end;
            }
            // What was found is used up, also where nothing is replaced.
            end = end.max(find.end);
            true
        });
        out(&bytes[done..end]);
        end
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
        fn few_patterns_are_found_as_many_are(
            texts in prop::collection::vec("[ab]{1,4}", 1..FEW),
            text in "[abc]{0,60}",
            size in 1usize..9,
        ) {
            let pairs: Vec<_> =
                texts.iter().map(|text| (text.clone().into_bytes(), None)).collect();
            let patterns = Patterns::new(&pairs).unwrap();
            let mut finds = Vec::new();
            patterns.each_find(text.as_bytes(), |find| {
                finds.push((find.number, find.start, find.end));
                true
            });
            let search = build(&patterns.texts, None).unwrap();
            let all: Vec<_> = search
                .find_iter(&text)
                .map(|find| (find.pattern().as_usize(), find.start(), find.end()))
                .collect();
            prop_assert_eq!(&finds, &all);
            // A stream finds the same, and loses no byte.
            let (mut whole, mut numbers) = (Vec::new(), Vec::new());
            let mut stream = patterns.stream();
            for piece in text.as_bytes().chunks(size) {
                let put = &mut |part: &[u8]| whole.extend_from_slice(part);
                stream.push(piece, put, &mut |number| numbers.push(number));
            }
            let put = &mut |part: &[u8]| whole.extend_from_slice(part);
            stream.finish(put, &mut |number| numbers.push(number));
            prop_assert_eq!(whole, text.into_bytes());
            prop_assert_eq!(numbers, all.iter().map(|(number, ..)| *number).collect::<Vec<_>>());
        }

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
