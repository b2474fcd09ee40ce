//! The text of a file, and the functions in it: from `function` to `end`, found by the lines that
//! Lua remembers.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};

use crate::scopes::{self, Meaning, Span};

/// The text of a loaded file, and where its functions are.
#[derive(Debug)]
pub struct Chunk {
    text: Vec<u8>,
    functions: Vec<Span>,
    /// Which functions begin and end on two lines.
    on_lines: HashMap<(usize, usize), Vec<usize>>,
    /// What Lua makes of the text, once it was asked for.
    code: OnceCell<Vec<u8>>,
    /// Where in that the functions on two lines were found last.
    places: RefCell<HashMap<(usize, usize), usize>>,
}

/// Why a function's text is not known.
#[derive(Debug, PartialEq, Eq)]
pub enum NotFound {
    /// Two functions with different texts begin and end on these lines.
    Ambiguous,
    /// No function begins and ends there: the file differs from the loaded one.
    Nothing,
}

impl Chunk {
    /// Finds all functions of a text, which Lua has compiled.
    pub fn new(text: Vec<u8>) -> Chunk {
        let functions = scopes::list_functions(&text);
        let mut on_lines: HashMap<(usize, usize), Vec<usize>> = HashMap::new();
        for (place, span) in functions.iter().enumerate() {
            on_lines.entry((span.first_line, span.last_line)).or_default().push(place);
        }
        Chunk { text, functions, on_lines, code: OnceCell::new(), places: RefCell::default() }
    }

    /// Returns the whole text.
    pub fn whole(&self) -> &[u8] {
        &self.text
    }

    /// Returns what Lua makes of the text; `compile` is asked once.
    ///
    /// # Errors
    /// That of `compile`.
    pub fn code<E>(&self, compile: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<&[u8], E> {
        if let Some(code) = self.code.get() {
            return Ok(code);
        }
        let code = compile(&self.text)?;
        Ok(self.code.get_or_init(|| code))
    }

    /// Returns whether the code of a function on these lines is where one was found last, as
    /// `is_there` says of a place in it.
    pub fn is_where_it_was(
        &self,
        lines: (usize, usize),
        is_there: impl FnOnce(usize) -> bool,
    ) -> bool {
        let place = self.places.borrow().get(&lines).copied();
        place.is_some_and(is_there)
    }

    /// Notes the place in the code at which a function on these lines was found.
    pub fn note_place(&self, lines: (usize, usize), place: usize) {
        self.places.borrow_mut().insert(lines, place);
    }

    /// Returns the place of the function that begins and ends on these lines, counted from 1. Where
    /// several do, the names of the captured variables decide, as far as they can.
    ///
    /// # Errors
    /// When there is none, or several that nothing tells apart.
    pub fn function(
        &self,
        first_line: usize,
        last_line: usize,
        captured: &[&[u8]],
    ) -> Result<usize, NotFound> {
        let on_lines = self.on_lines.get(&(first_line, last_line)).ok_or(NotFound::Nothing)?;
        let captures_them = |place: &&usize| {
            let names = self.names(**place);
            let is_captured = |name: &Vec<u8>| captured.contains(&name.as_slice());
            names.iter().all(|(name, meaning)| *meaning != Meaning::Outer || is_captured(name))
                && captured
                    .iter()
                    .all(|name| names.get(*name).is_some_and(|meaning| *meaning != Meaning::Global))
        };
        let mut candidates: Vec<usize> = on_lines.iter().filter(captures_them).copied().collect();
        if candidates.is_empty() {
            candidates.clone_from(on_lines);
        }
        let first = *candidates.first().ok_or(NotFound::Nothing)?;
        let is_like_first = |other: &usize| {
            self.text(*other) == self.text(first)
                && self.unseen(*other, captured).eq(self.unseen(first, captured))
        };
        if candidates.iter().all(is_like_first) { Ok(first) } else { Err(NotFound::Ambiguous) }
    }

    /// Returns what the names of a function mean that Lua does not show as variables.
    fn unseen<'a>(
        &'a self,
        place: usize,
        captured: &'a [&'a [u8]],
    ) -> impl Iterator<Item = (&'a Vec<u8>, Option<Vec<&'a [u8]>>)> + 'a {
        let names =
            self.names(place).iter().filter(|(name, _)| !captured.contains(&name.as_slice()));
        names.map(|(name, meaning)| {
            let declarations = match meaning {
                Meaning::Constant { declarations } => Some(
                    declarations
                        .iter()
                        .map(|(begin, end)| self.declaration(*begin, *end))
                        .collect(),
                ),
                _ => None,
            };
            (name, declarations)
        })
    }

    /// Returns the text of a function, from `function` to `end`.
    pub fn text(&self, place: usize) -> &[u8] {
        self.functions.get(place).map_or(b"", |span| &self.text[span.begin..span.end])
    }

    /// Returns the first byte of a function.
    pub fn begin(&self, place: usize) -> usize {
        self.functions.get(place).map_or(0, |span| span.begin)
    }

    /// Returns the names that a function does not declare itself, and what they mean.
    pub fn names(&self, place: usize) -> &BTreeMap<Vec<u8>, Meaning> {
        static NONE: BTreeMap<Vec<u8>, Meaning> = BTreeMap::new();
        self.functions.get(place).map_or(&NONE, |span| &span.names)
    }

    /// Returns the declaration of a compile-time constant.
    pub fn declaration(&self, begin: usize, end: usize) -> &[u8] {
        &self.text[begin..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(chunk: &Chunk, first: usize, last: usize) -> Result<String, NotFound> {
        chunk
            .function(first, last, &[])
            .map(|place| String::from_utf8_lossy(chunk.text(place)).into_owned())
    }

    #[test]
    fn functions_are_found_among_strings_and_comments() {
        let source = br#"#!/usr/bin/lua
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
        let chunk = Chunk::new(source.to_vec());
        assert_eq!(text(&chunk, 5, 6).unwrap(), "function a() return [[ end\n]] end");
        assert!(text(&chunk, 7, 10).unwrap().ends_with("\nend"));
        assert_eq!(text(&chunk, 8, 8).unwrap(), "function() end");
        assert_eq!(text(&chunk, 1, 1), Err(NotFound::Nothing));
    }

    #[test]
    fn two_functions_on_one_line_are_told_apart_by_what_they_capture() {
        let chunk = Chunk::new(b"f(function() return 1 end, function() return 2 end)".to_vec());
        assert_eq!(text(&chunk, 1, 1), Err(NotFound::Ambiguous));
        let chunk = Chunk::new(b"f(function() end, function() end)".to_vec());
        assert_eq!(text(&chunk, 1, 1).unwrap(), "function() end");
        let chunk =
            Chunk::new(b"local a, b f(function() return a end, function() return b end)".to_vec());
        let place = chunk.function(1, 1, &[b"b"]).unwrap();
        assert_eq!(chunk.text(place), b"function() return b end");
    }

    #[test]
    fn two_functions_of_one_text_are_not_one_when_their_constants_differ() {
        let both = |second: &str| {
            let text = "do local x <const> = 1 f(function() return x end) end ";
            Chunk::new([text, &text.replace("= 1", second)].concat().into_bytes())
        };
        assert_eq!(text(&both("= 2"), 1, 1), Err(NotFound::Ambiguous));
        assert_eq!(text(&both("= 1"), 1, 1).unwrap(), "function() return x end");
    }

    #[test]
    fn lines_end_as_they_do_for_lua() {
        for end in ["\n", "\r", "\r\n", "\n\r"] {
            let source =
                ["-- a", "local x = [[", "]] local s = 'a\\", "b'", "f(function()", "end)"]
                    .join(end);
            let chunk = Chunk::new(source.into_bytes());
            assert!(text(&chunk, 5, 6).unwrap().starts_with("function()"), "{end:?}");
        }
    }

    fn meaning(source: &str, name: &str) -> Option<Meaning> {
        let chunk = Chunk::new(source.as_bytes().to_vec());
        let last = source.lines().count();
        let span = chunk.functions.iter().rfind(|span| span.last_line == last)?;
        span.names.get(name.as_bytes()).cloned()
    }

    #[test]
    fn names_are_resolved_as_lua_does() {
        assert_eq!(meaning("f(function()\nlocal x = x end)", "x"), Some(Meaning::Global));
        assert_eq!(meaning("local x f(function()\nlocal x = x end)", "x"), Some(Meaning::Outer));
        assert_eq!(meaning("local x f(function()\nlocal x local y = x end)", "x"), None);
        assert_eq!(meaning("f(function(x)\nreturn x end)", "x"), None);
        assert_eq!(meaning("f(function()\nfor x in x do end end)", "x"), Some(Meaning::Global));
        assert_eq!(meaning("f(function()\nfor x = 1, 2 do y = x end end)", "x"), None);
        assert_eq!(
            meaning("f(function()\ndo local x end return x end)", "x"),
            Some(Meaning::Global)
        );
        assert_eq!(meaning("f(function()\nrepeat local x until x end)", "x"), None);
        assert_eq!(meaning("f(function()\nreturn t.x, { x = 1 }, t:x() end)", "x"), None);
        assert_eq!(meaning("f(function()\nlocal function x() return x end end)", "x"), None);
        assert_eq!(
            meaning("f(function()\nlocal x = function() return x end end)", "x"),
            Some(Meaning::Global)
        );
        assert_eq!(meaning("f(function()\ngoto x ::x:: end)", "x"), None);
        assert_eq!(meaning("function t.a:b()\nreturn self end", "self"), None);
    }

    #[test]
    fn a_constant_made_of_others_leads_to_all_of_them() {
        let source = "local y <const> = 1 local z <const> = y local x <const> = -z f(function()\n\
                      return x end)";
        let Some(Meaning::Constant { declarations }) = meaning(source, "x") else {
            panic!("no constant")
        };
        assert_eq!(declarations.len(), 3);
    }

    #[test]
    fn compile_time_constants_lead_to_their_declaration() {
        let source = "local x <const> = 1 + 2 f(function()\nreturn x end)";
        let chunk = Chunk::new(source.as_bytes().to_vec());
        let Some(Meaning::Constant { declarations }) = meaning(source, "x") else {
            panic!("no constant")
        };
        let texts: Vec<_> =
            declarations.iter().map(|(begin, end)| chunk.declaration(*begin, *end)).collect();
        assert_eq!(texts, [b"local x <const> = 1 + 2"]);
    }
}
