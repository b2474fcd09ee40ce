//! What every name in the store has in it: a file without any of these names nothing, whatever
//! names are searched for later. So a source is searched once, while it is hashed, when it is not
//! known yet what will become of it.

use aho_corasick::packed::Searcher;
use memchr::memmem;

use super::self_references::Patterns;
use crate::names::{ObjectName, Placeholder};

/// Directories of builds are below it: `store/b00` to `store/bff`.
const BUILDS: &[u8] = b"store/b";

/// The texts to look for.
#[derive(Debug)]
pub struct Traces {
    root: Vec<u8>,
    texts: [Vec<u8>; 3],
    /// Finds all of them in one pass, many bytes at once; `None` on processors where it cannot.
    searcher: Option<Searcher>,
    longest: usize,
}

impl Traces {
    /// Returns those of the store at a place.
    pub fn new(root: &[u8]) -> Traces {
        let texts = [root, Placeholder::PREFIX.as_bytes(), BUILDS].map(<[u8]>::to_vec);
        let longest = texts.iter().map(Vec::len).fold(ObjectName::END, usize::max);
        Traces { root: root.to_vec(), searcher: Searcher::new(&texts), texts, longest }
    }

    /// Returns the place of the store.
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// Returns whether one of them is in some bytes.
    fn are_in(&self, bytes: &[u8]) -> bool {
        let is_text_in = match &self.searcher {
            Some(searcher) => searcher.find(bytes).is_some(),
            None => self.texts.iter().any(|text| memmem::find(bytes, text).is_some()),
        };
        is_text_in || ObjectName::may_end_in(bytes)
    }

    /// Returns whether each of some patterns has one in it, so that none of the patterns can be
    /// where no trace is.
    pub fn cover(&self, patterns: &Patterns) -> bool {
        patterns.texts().iter().all(|text| self.are_in(text))
    }

    /// Begins to search in a stream.
    pub fn stream(&self) -> TraceStream<'_> {
        TraceStream { traces: self, last: Vec::new(), is_found: false }
    }
}

/// A search under way.
pub struct TraceStream<'a> {
    traces: &'a Traces,
    /// The last bytes: a trace may begin in them.
    last: Vec<u8>,
    is_found: bool,
}

impl TraceStream<'_> {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.is_found {
            return;
        }
        let kept = self.traces.longest - 1;
        let begin = &bytes[..bytes.len().min(kept)];
        self.last.extend_from_slice(begin);
        self.is_found = self.traces.are_in(&self.last) || self.traces.are_in(bytes);
        if begin.len() < bytes.len() {
            self.last.clear();
            self.last.extend_from_slice(&bytes[bytes.len() - kept..]);
        } else {
            let surplus = self.last.len().saturating_sub(kept);
            self.last.drain(..surplus);
        }
    }

    /// Returns whether there was one.
    pub fn is_found(&self) -> bool {
        self.is_found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::Hash;
    use crate::names::{Name, OutputName};

    fn is_found(traces: &Traces, text: &[u8], size: usize) -> bool {
        let mut stream = traces.stream();
        text.chunks(size).for_each(|piece| stream.push(piece));
        stream.is_found()
    }

    #[test]
    fn all_that_is_searched_for_in_an_output_leaves_a_trace() {
        let traces = Traces::new(b"/srv/root");
        let name = Name::parse("a").unwrap();
        let object = ObjectName::new(&name, None, &OutputName::main(), Hash::of(b"x"));
        let patterns = [
            object.as_str().to_owned(),
            format!("store/bff/{}", object.as_str()),
            format!("b00/{}", object.as_str()),
            "store/b7e".to_owned(),
            "/srv/root".to_owned(),
            Placeholder::PREFIX.to_owned(),
        ];
        let compile = |patterns: &[String]| {
            let patterns: Vec<_> =
                patterns.iter().map(|text| (text.clone().into_bytes(), None)).collect();
            Patterns::new(&patterns).unwrap()
        };
        assert!(traces.cover(&compile(&patterns)));
        assert!(!traces.cover(&compile(&["/srv/other".to_owned()])));
        assert!(!traces.cover(&compile(&[object.as_str().to_owned(), "libfoo-1.2".to_owned()])));
    }

    #[test]
    fn what_only_looks_like_a_name_is_none() {
        let traces = Traces::new(b"/srv/root");
        for text in ["", "-", "-01234567", "--01234567g", "-0123456F8", "store/", "/srv/roo"] {
            assert!(!is_found(&traces, text.as_bytes(), 100), "{text}");
        }
        for text in ["--012345678", "x-abcdef0123", "/srv/root/x", "store/bb"] {
            assert!(is_found(&traces, text.as_bytes(), 100), "{text}");
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same(
            words in prop::collection::vec(
                prop_oneof![
                    4 => "[-a0s/]{0,20}",
                    1 => Just("/srv/root".to_owned()),
                    1 => Just("store/b".to_owned()),
                    1 => Just("-0a1b2c3d4".to_owned()),
                    1 => Just(Placeholder::PREFIX.to_owned()),
                ],
                0..6,
            ),
            size in 1usize..40,
        ) {
            let traces = Traces::new(b"/srv/root");
            let text = words.concat().into_bytes();
            prop_assert_eq!(is_found(&traces, &text, size), traces.are_in(&text));
        }
    }
}
