//! The last lines of what a program prints, in little memory, however much it is and however long a
//! line is.

use std::collections::VecDeque;

/// Bytes of each line that are kept.
const LINE_LENGTH: usize = 1000;

/// What stands for the rest of a line that is longer.
const REST: &str = " [...]";

/// The end of the output of a program. Each of its streams has a number below `STREAMS`.
#[derive(Debug)]
pub struct Tail<const STREAMS: usize> {
    most: usize,
    last: VecDeque<Line>,
    /// The line that each stream is in.
    current: [Line; STREAMS],
    is_cut: bool,
}

#[derive(Clone, Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    is_longer: bool,
}

impl Line {
    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        if self.is_longer { format!("{text}{REST}") } else { text.trim_end().to_owned() }
    }
}

impl<const STREAMS: usize> Tail<STREAMS> {
    /// Makes a tail that keeps this number of lines.
    pub fn new(most: usize) -> Tail<STREAMS> {
        Tail {
            most,
            last: VecDeque::new(),
            current: std::array::from_fn(|_| Line::default()),
            is_cut: false,
        }
    }

    /// Takes output of a stream.
    pub fn put(&mut self, stream: usize, bytes: &[u8]) {
        let mut rest = bytes;
        // Of many lines only the last can be wanted.
        if let Some(end) = memchr::memrchr_iter(b'\n', bytes).nth(self.most) {
            self.current[stream] = Line::default();
            self.is_cut = true;
            rest = &bytes[end + 1..];
        }
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.add(stream, &rest[..end]);
            self.last.push_back(std::mem::take(&mut self.current[stream]));
            if self.last.len() > self.most {
                self.last.pop_front();
                self.is_cut = true;
            }
            rest = &rest[end + 1..];
        }
        self.add(stream, rest);
    }

    fn add(&mut self, stream: usize, bytes: &[u8]) {
        let line = &mut self.current[stream];
        let fitting = bytes.len().min(LINE_LENGTH - line.bytes.len());
        line.bytes.extend_from_slice(&bytes[..fitting]);
        line.is_longer = line.is_longer || fitting < bytes.len();
        self.is_cut = self.is_cut || line.is_longer;
    }

    /// Returns whether there was more than what is kept.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Returns the last lines of all streams, in the order in which they ended.
    pub fn lines(&self) -> Vec<String> {
        let open = self.current.iter().filter(|line| !line.bytes.is_empty());
        let lines: Vec<&Line> = self.last.iter().chain(open).collect();
        lines[lines.len().saturating_sub(self.most)..].iter().map(|line| line.shown()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_lines_of_both_streams_are_kept() {
        let mut tail: Tail<2> = Tail::new(20);
        tail.put(0, b"one\ntw");
        tail.put(1, b"oops\n");
        tail.put(0, b"o\nthree");
        assert_eq!(tail.lines(), ["one", "oops", "two", "three"]);
        assert!(!tail.is_cut());
    }

    #[test]
    fn little_is_kept_however_much_comes() {
        let mut tail: Tail<2> = Tail::new(20);
        for _ in 0..100 {
            tail.put(1, &[b'x'; 10_000]);
        }
        for number in 0..30 {
            tail.put(0, format!("{number}\n").as_bytes());
        }
        assert!(tail.is_cut());
        let lines = tail.lines();
        assert_eq!(lines.len(), 20);
        assert_eq!(lines[19], format!("{}{REST}", "x".repeat(LINE_LENGTH)));
        assert_eq!(lines[18], "29");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            text in "([a-c]{0,3}\n?){0,60}",
            cuts in prop::collection::vec(1usize..9, 1..9),
        ) {
            let mut whole: Tail<1> = Tail::new(5);
            whole.put(0, text.as_bytes());
            let mut pieces: Tail<1> = Tail::new(5);
            let (mut rest, mut cuts) = (text.as_bytes(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                pieces.put(0, piece);
                rest = after;
            }
            let expected: Vec<&str> = text.lines().collect();
            prop_assert_eq!(whole.lines(), &expected[expected.len().saturating_sub(5)..]);
            prop_assert_eq!(whole.lines(), pieces.lines());
            prop_assert_eq!(whole.is_cut(), pieces.is_cut());
        }
    }
}
