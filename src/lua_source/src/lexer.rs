//! The lexer: a Lua text as tokens. Comments and white space are passed over.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A name or a keyword.
    Name,
    /// A number or a string.
    Literal,
    /// One character of punctuation, or `::`, or `...`.
    Punctuation,
}

/// A token and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// Its kind.
    pub kind: TokenKind,
    /// Its text.
    pub text: &'a [u8],
    /// Its first byte.
    pub begin: usize,
    /// The line it ends on, counted from 1.
    pub line: usize,
}

impl Token<'_> {
    /// Returns the byte after its last.
    pub fn end(&self) -> usize {
        self.begin + self.text.len()
    }
}

/// Returns all tokens of a text.
pub fn tokens(text: &[u8]) -> Vec<Token<'_>> {
    let mut reader = Reader { text, place: 0, line: 1 };
    std::iter::from_fn(|| reader.next()).collect()
}

struct Reader<'a> {
    text: &'a [u8],
    place: usize,
    line: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.place + ahead).copied()
    }

    /// Passes over one byte, or over the end of a line: `\n`, `\r`, or both in either order.
    fn advance(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some(b'\n'), Some(b'\r')) | (Some(b'\r'), Some(b'\n')) => {
                self.line += 1;
                self.place += 2;
            }
            (Some(b'\n' | b'\r'), _) => {
                self.line += 1;
                self.place += 1;
            }
            _ => self.place += 1,
        }
    }

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = self.peek(0)?;
            if byte.is_ascii_whitespace() || byte == 0x0b {
                self.advance();
            } else if byte == b'#' && self.place == 0 {
                // Lua itself ends this line only here.
                while self.peek(0).is_some_and(|byte| byte != b'\n') {
                    self.place += 1;
                }
            } else if byte == b'-' && self.peek(1) == Some(b'-') {
                self.place += 2;
                if !self.skip_long() {
                    self.skip_line();
                }
            } else {
                break;
            }
        }
        let begin = self.place;
        let kind = self.skip_token();
        let end = self.place.min(self.text.len());
        Some(Token { kind, text: &self.text[begin..end], begin, line: self.line })
    }

    fn skip_token(&mut self) -> TokenKind {
        let byte = self.peek(0).unwrap_or(0);
        // LuaJIT takes every byte above 127 as a letter.
        let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80;
        if is_letter(byte) {
            while self.peek(0).is_some_and(|byte| is_letter(byte) || byte.is_ascii_digit()) {
                self.place += 1;
            }
            return TokenKind::Name;
        }
        if byte.is_ascii_digit()
            || (byte == b'.' && self.peek(1).is_some_and(|next| next.is_ascii_digit()))
        {
            self.skip_number();
            return TokenKind::Literal;
        }
        if byte == b'"' || byte == b'\'' {
            self.skip_string(byte);
            return TokenKind::Literal;
        }
        if byte == b'[' && self.skip_long() {
            return TokenKind::Literal;
        }
        let rest = &self.text[self.place..];
        let several: [&[u8]; 9] = [b"...", b"..", b"::", b"==", b"~=", b"<=", b">=", b"//", b"<<"];
        let length =
            several.iter().find(|text| rest.starts_with(text)).map_or(1, |text| text.len());
        self.place += length;
        TokenKind::Punctuation
    }

    fn skip_number(&mut self) {
        let mut before = 0;
        while let Some(byte) = self.peek(0) {
            let is_sign =
                matches!(byte, b'+' | b'-') && matches!(before, b'e' | b'E' | b'p' | b'P');
            // `1..2` joins two numbers; `0xe+1` adds.
            let is_exponent = is_sign && !self.is_hexadecimal_e(before);
            if !(byte.is_ascii_alphanumeric() || byte == b'.' || is_exponent) {
                return;
            }
            before = byte;
            self.place += 1;
        }
    }

    fn is_hexadecimal_e(&self, before: u8) -> bool {
        let from = self.text[..self.place]
            .iter()
            .rposition(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.');
        let number = &self.text[from.map_or(0, |from| from + 1)..self.place];
        matches!(before, b'e' | b'E') && (number.starts_with(b"0x") || number.starts_with(b"0X"))
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|byte| !matches!(byte, b'\n' | b'\r')) {
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
        self.place = (self.place + close.len()).min(self.text.len());
        true
    }
}
