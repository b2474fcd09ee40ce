//! What names mean: a walk over the tokens of a text that Lua has compiled, which keeps track of
//! scopes as the reference manual of Lua 5.4 describes them (section 3.5). It checks nothing.

use std::collections::BTreeMap;

use crate::lexer::{Token, TokenKind, tokens};

/// What a name means that a function does not declare itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A variable of an enclosing function: an upvalue.
    Outer,
    /// A `<const>` of an enclosing function. Lua may keep only its value. A constant may be made of
    /// others, whose declarations are here too.
    Constant {
        /// The first byte of each declaration, and the byte after its last.
        declarations: Vec<(usize, usize)>,
    },
    /// A global variable.
    Global,
}

/// Where a function is, and the names in it that it does not declare itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub(crate) first_line: usize,
    pub(crate) last_line: usize,
    pub(crate) begin: usize,
    pub(crate) end: usize,
    pub(crate) names: BTreeMap<Vec<u8>, Meaning>,
}

/// Returns all functions of a text.
pub fn list_functions(text: &[u8]) -> Vec<Span> {
    let mut walk = Walk {
        tokens: tokens(text),
        place: 0,
        functions: Vec::new(),
        variables: Vec::new(),
        open: Vec::new(),
        constants: Vec::new(),
    };
    walk.block();
    walk.functions
}

struct Variable<'a> {
    name: &'a [u8],
    /// How many functions enclose it.
    depth: usize,
    /// The declaration of a constant, and of those it is made of.
    constant: Option<Vec<(usize, usize)>>,
}

struct Walk<'a> {
    tokens: Vec<Token<'a>>,
    place: usize,
    functions: Vec<Span>,
    /// The variables in scope, innermost last.
    variables: Vec<Variable<'a>>,
    /// The free names of the functions around this place, innermost last.
    open: Vec<BTreeMap<Vec<u8>, Meaning>>,
    /// The declarations of all constants that were read, in order.
    constants: Vec<(usize, usize)>,
}

impl<'a> Walk<'a> {
    fn text(&self, ahead: usize) -> &'a [u8] {
        self.tokens.get(self.place + ahead).map_or(b"", |token| token.text)
    }

    fn kind(&self) -> Option<TokenKind> {
        self.tokens.get(self.place).map(|token| token.kind)
    }

    fn take(&mut self) -> &'a [u8] {
        let word = self.text(0);
        self.place += 1;
        word
    }

    fn take_if(&mut self, text: &[u8]) -> bool {
        let found = self.kind() != Some(TokenKind::Literal) && self.text(0) == text;
        self.place += usize::from(found);
        found
    }

    fn at_end(&self) -> bool {
        self.place >= self.tokens.len()
    }

    fn declare(&mut self, name: &'a [u8], constant: Option<Vec<(usize, usize)>>) {
        self.variables.push(Variable { name, depth: self.open.len(), constant });
    }

    /// Notes the use of a name in every function that it crosses on the way to its declaration.
    fn read(&mut self, name: &[u8]) {
        let found = self.variables.iter().rev().find(|variable| variable.name == name);
        let (depth, meaning) = match found {
            Some(Variable { depth, constant: Some(declarations), .. }) => {
                self.constants.extend_from_slice(declarations);
                (*depth, Meaning::Constant { declarations: declarations.clone() })
            }
            Some(variable) => (variable.depth, Meaning::Outer),
            None => (0, Meaning::Global),
        };
        for names in self.open.iter_mut().skip(depth) {
            names.entry(name.to_vec()).or_insert_with(|| meaning.clone());
        }
    }

    /// A block up to the word that ends it, which stays.
    fn block(&mut self) {
        let scope = self.variables.len();
        self.statements();
        self.variables.truncate(scope);
    }

    fn statements(&mut self) {
        while !self.at_end() && !matches!(self.text(0), b"end" | b"else" | b"elseif" | b"until") {
            let before = self.place;
            self.statement();
            // An invalid Lua text must not cause an endless loop.
            if self.place == before {
                self.place += 1;
            }
        }
    }

    fn statement(&mut self) {
        match self.text(0) {
            b"local" => self.local(),
            b"function" => self.function_statement(),
            b"if" => self.conditional(),
            b"while" => {
                self.take();
                self.expression();
                self.body();
            }
            b"do" => self.body(),
            b"for" => self.iteration(),
            b"repeat" => {
                self.take();
                let scope = self.variables.len();
                self.statements();
                self.take_if(b"until");
                // The condition sees the variables of the block.
                self.expression();
                self.variables.truncate(scope);
            }
            b"return" => {
                self.take();
                if !matches!(self.text(0), b"end" | b"else" | b"elseif" | b"until" | b";" | b"") {
                    self.expressions();
                }
                self.take_if(b";");
            }
            b"::" => self.place += 3,
            // In Lua 5.1 it is a name like any other.
            b"goto"
                if self
                    .tokens
                    .get(self.place + 1)
                    .is_some_and(|token| token.kind == TokenKind::Name) =>
            {
                self.place += 2;
            }
            b"break" | b";" => {
                self.take();
            }
            _ => {
                self.expressions();
                if self.take_if(b"=") {
                    self.expressions();
                }
            }
        }
    }

    /// `do`, a block, `end`.
    fn body(&mut self) {
        self.take_if(b"do");
        self.block();
        self.take_if(b"end");
    }

    fn local(&mut self) {
        let begin = self.tokens[self.place].begin;
        self.take();
        if self.text(0) == b"function" {
            let function = self.place;
            self.take();
            let name = self.take();
            self.declare(name, None);
            return self.function_body(function, false);
        }
        let mut names = Vec::new();
        loop {
            let name = self.take();
            let mut is_constant = false;
            if self.take_if(b"<") {
                is_constant = self.take() == b"const";
                self.take_if(b">");
            }
            names.push((name, is_constant));
            if !self.take_if(b",") {
                break;
            }
        }
        let before = self.constants.len();
        if self.take_if(b"=") {
            self.expressions();
        }
        let end = self.tokens.get(self.place.wrapping_sub(1)).map_or(begin, Token::end);
        let mut declarations = vec![(begin, end)];
        declarations.extend_from_slice(&self.constants[before..]);
        for (name, is_constant) in names {
            self.declare(name, is_constant.then(|| declarations.clone()));
        }
    }

    fn function_statement(&mut self) {
        let function = self.place;
        self.take();
        let name = self.take();
        self.read(name);
        let mut is_method = false;
        while matches!(self.text(0), b"." | b":") {
            is_method = self.take() == b":";
            self.take();
        }
        self.function_body(function, is_method);
    }

    /// Parameters, block and `end` of the function whose first word is at `function`.
    fn function_body(&mut self, function: usize, is_method: bool) {
        self.open.push(BTreeMap::new());
        let scope = self.variables.len();
        if is_method {
            self.declare(b"self", None);
        }
        self.take_if(b"(");
        while !self.at_end() && !self.take_if(b")") {
            if self.kind() == Some(TokenKind::Name) {
                let name = self.take();
                self.declare(name, None);
            } else {
                self.take();
            }
        }
        self.statements();
        self.variables.truncate(scope);
        let last = self.place.min(self.tokens.len().saturating_sub(1));
        self.take_if(b"end");
        let names = self.open.pop().unwrap_or_default();
        if let (Some(first), Some(last)) = (self.tokens.get(function), self.tokens.get(last)) {
            self.functions.push(Span {
                first_line: first.line,
                last_line: last.line,
                begin: first.begin,
                end: last.end(),
                names,
            });
        }
    }

    fn conditional(&mut self) {
        self.take();
        self.expression();
        self.take_if(b"then");
        self.block();
        loop {
            if self.take_if(b"elseif") {
                self.expression();
                self.take_if(b"then");
                self.block();
            } else if self.take_if(b"else") {
                self.block();
            } else {
                self.take_if(b"end");
                return;
            }
        }
    }

    fn iteration(&mut self) {
        self.take();
        let mut names = vec![self.take()];
        while self.take_if(b",") {
            names.push(self.take());
        }
        // `=` or `in`; what follows does not see the variables yet.
        self.take();
        self.expressions();
        let scope = self.variables.len();
        for name in names {
            self.declare(name, None);
        }
        self.body();
        self.variables.truncate(scope);
    }

    fn expressions(&mut self) {
        self.expression();
        while self.take_if(b",") {
            self.expression();
        }
    }

    /// Operands and operators; who binds closer does not matter to names.
    fn expression(&mut self) {
        loop {
            while self.kind() != Some(TokenKind::Literal)
                && matches!(self.text(0), b"not" | b"-" | b"#" | b"~")
            {
                self.take();
            }
            self.operand();
            if !self.take_operator() {
                return;
            }
        }
    }

    fn take_operator(&mut self) -> bool {
        if self.kind() == Some(TokenKind::Literal) {
            return false;
        }
        let is_operator = matches!(
            self.text(0),
            b"+" | b"-"
                | b"*"
                | b"/"
                | b"//"
                | b"%"
                | b"^"
                | b".."
                | b"=="
                | b"~="
                | b"<="
                | b">="
                | b"<"
                | b">"
                | b"<<"
                | b"&"
                | b"|"
                | b"~"
                | b"and"
                | b"or"
        );
        if is_operator {
            // `>>` comes as two signs.
            if self.take() == b">" && self.text(0) == b">" {
                self.take();
            }
        }
        is_operator
    }

    fn operand(&mut self) {
        match (self.kind(), self.text(0)) {
            (Some(TokenKind::Literal), _) => {
                self.take();
                return;
            }
            (_, b"nil" | b"true" | b"false" | b"...") => {
                self.take();
                return;
            }
            (_, b"function") => {
                let function = self.place;
                self.take();
                return self.function_body(function, false);
            }
            (_, b"{") => return self.table(),
            (_, b"(") => {
                self.take();
                self.expression();
                self.take_if(b")");
            }
            (Some(TokenKind::Name), name) => {
                self.take();
                self.read(name);
            }
            _ => return,
        }
        self.suffixes();
    }

    /// Fields, indices and calls.
    fn suffixes(&mut self) {
        loop {
            match (self.kind(), self.text(0)) {
                (Some(TokenKind::Literal), text)
                    if !text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.') =>
                {
                    self.take();
                }
                (Some(TokenKind::Literal), _) => return,
                (_, b"." | b":") => self.place += 2,
                (_, b"[") => {
                    self.take();
                    self.expression();
                    self.take_if(b"]");
                }
                (_, b"(") => {
                    self.take();
                    if !self.take_if(b")") {
                        self.expressions();
                        self.take_if(b")");
                    }
                }
                (_, b"{") => self.table(),
                _ => return,
            }
        }
    }

    fn table(&mut self) {
        self.take();
        while !self.at_end() && !self.take_if(b"}") {
            let before = self.place;
            if self.take_if(b"[") {
                self.expression();
                self.take_if(b"]");
                self.take_if(b"=");
            } else if self.kind() == Some(TokenKind::Name)
                && self.tokens.get(self.place + 1).is_some_and(|next| next.text == b"=")
            {
                self.place += 2;
            }
            self.expression();
            if !self.take_if(b",") {
                self.take_if(b";");
            }
            if self.place == before {
                self.place += 1;
            }
        }
    }
}
