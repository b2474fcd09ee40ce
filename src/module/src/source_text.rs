//! The texts of Lua functions: from `function` to `end`, found by the lines that Lua remembers.

/// The text of a loaded file, and where its functions are.
#[derive(Debug)]
pub struct Chunk {
    text: Vec<u8>,
    functions: Vec<Span>,
}

#[derive(Debug)]
struct Span {
    first_line: usize,
    last_line: usize,
    begin: usize,
    end: usize,
}

/// What the lines of a function tell.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// Its text.
    Text(&'a [u8]),
    /// Two functions with different texts begin and end on these lines.
    Ambiguous,
    /// No function begins and ends there: the file is not the one that was loaded.
    Nothing,
}

impl Chunk {
    /// Finds all functions of a text, which Lua has compiled.
    pub fn new(text: Vec<u8>) -> Chunk {
        let functions = find_functions(&text);
        Chunk { text, functions }
    }

    /// Returns the text of the function that begins and ends on these lines, counted from 1.
    pub fn function(&self, first_line: usize, last_line: usize) -> Found<'_> {
        let mut texts = self
            .functions
            .iter()
            .filter(|span| span.first_line == first_line && span.last_line == last_line)
            .map(|span| &self.text[span.begin..span.end]);
        match texts.next() {
            None => Found::Nothing,
            Some(first) if texts.all(|other| other == first) => Found::Text(first),
            Some(_) => Found::Ambiguous,
        }
    }
}

fn find_functions(text: &[u8]) -> Vec<Span> {
    let mut functions = Vec::new();
    // Open blocks that `end` closes; those of functions with their beginning.
    let mut open: Vec<Option<(usize, usize)>> = Vec::new();
    let mut words = Words { text, place: 0, line: 1 };
    while let Some((begin, word)) = words.next() {
        match word {
            b"function" => open.push(Some((begin, words.line))),
            b"if" | b"do" => open.push(None),
            b"end" => {
                if let Some(Some((begin, first_line))) = open.pop() {
                    functions.push(Span { first_line, last_line: words.line, begin, end: words.place });
                }
            }
            _ => {}
        }
    }
    functions
}

/// The words of a Lua text; strings, comments and everything else are passed over.
struct Words<'a> {
    text: &'a [u8],
    place: usize,
    line: usize,
}

impl<'a> Words<'a> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.place + ahead).copied()
    }

    fn advance(&mut self) {
        if self.peek(0) == Some(b'\n') {
            self.line += 1;
        }
        self.place += 1;
    }

    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        loop {
            let byte = self.peek(0)?;
            if byte == b'#' && self.place == 0 {
                self.skip_line();
            } else if byte.is_ascii_alphabetic() || byte == b'_' {
                let begin = self.place;
                while self.peek(0).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    self.place += 1;
                }
                return Some((begin, &self.text[begin..self.place]));
            } else if byte.is_ascii_digit() {
                // Letters in a number, as in 0xend, are no word.
                while self.peek(0).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
                    self.place += 1;
                }
            } else if byte == b'"' || byte == b'\'' {
                self.skip_string(byte);
            } else if byte == b'-' && self.peek(1) == Some(b'-') {
                self.place += 2;
                if !self.skip_long() {
                    self.skip_line();
                }
            } else if byte != b'[' || !self.skip_long() {
                self.advance();
            }
        }
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.place += 1;
        }
    }

    fn skip_string(&mut self, quote: u8) {
        self.advance();
        while let Some(byte) = self.peek(0) {
            if byte == b'\\' {
                self.advance();
                self.advance();
            } else if byte == quote {
                return self.advance();
            } else {
                self.advance();
            }
        }
    }

    /// Passes over `[[...]]` or `[==[...]==]` if one begins here.
    fn skip_long(&mut self) -> bool {
        if self.peek(0) != Some(b'[') {
            return false;
        }
        let level = self.text[self.place + 1..].iter().take_while(|&&byte| byte == b'=').count();
        if self.peek(level + 1) != Some(b'[') {
            return false;
        }
        let close = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
        while self.place < self.text.len() && !self.text[self.place..].starts_with(&close) {
            self.advance();
        }
        self.place += close.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_among_strings_and_comments() {
        let text = br#"#!/usr/bin/lua
local x = "function end" -- function
--[==[ function
end ]] ]==]
local function a() return [[ end
]] end
local b = function()
  if true then while x do local c = function() end end end
  repeat until 0xend or "\"end"
end
"#;
        let chunk = Chunk::new(text.to_vec());
        assert_eq!(chunk.function(5, 6), Found::Text(b"function a() return [[ end\n]] end"));
        assert!(matches!(chunk.function(7, 10), Found::Text(text) if text.ends_with(b"\nend")));
        assert_eq!(chunk.function(8, 8), Found::Text(b"function() end"));
        assert_eq!(chunk.function(1, 1), Found::Nothing);
    }

    #[test]
    fn two_functions_on_one_line_cannot_be_told_apart() {
        let chunk = Chunk::new(b"f(function() return 1 end, function() return 2 end)".to_vec());
        assert_eq!(chunk.function(1, 1), Found::Ambiguous);
        let chunk = Chunk::new(b"f(function() end, function() end)".to_vec());
        assert_eq!(chunk.function(1, 1), Found::Text(b"function() end"));
    }
}
