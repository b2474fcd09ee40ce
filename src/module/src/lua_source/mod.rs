//! The texts of Lua functions: from `function` to `end`, found by the lines that Lua remembers, and
//! what their free names mean.

mod scopes;
mod words;

use std::collections::BTreeMap;

pub use scopes::Meaning;

/// The text of a loaded file, and where its functions are.
#[derive(Debug)]
pub struct Chunk {
    text: Vec<u8>,
    functions: Vec<Span>,
}

/// Where a function is, and the names in it that it does not declare itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    first_line: usize,
    last_line: usize,
    begin: usize,
    end: usize,
    names: BTreeMap<Vec<u8>, Meaning>,
}

/// A function as its text tells it.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// From `function` to `end`.
    pub text: &'a [u8],
    /// The names in it that it does not declare itself, and what they mean.
    pub names: &'a BTreeMap<Vec<u8>, Meaning>,
}

/// Why a function's text is not known.
#[derive(Debug, PartialEq, Eq)]
pub enum NotFound {
    /// Two functions with different texts begin and end on these lines.
    Ambiguous,
    /// No function begins and ends there: the file is not the one that was loaded.
    Nothing,
}

impl Chunk {
    /// Finds all functions of a text, which Lua has compiled.
    pub fn new(text: Vec<u8>) -> Chunk {
        let functions = scopes::find_functions(&text);
        Chunk { text, functions }
    }

    /// Returns the function that begins and ends on these lines, counted from 1. Where several do,
    /// the names of the captured variables decide, as far as they can.
    ///
    /// # Errors
    /// When there is none, or several that nothing tells apart.
    pub fn function(&self, first_line: usize, last_line: usize, captured: &[Vec<u8>]) -> Result<Found<'_>, NotFound> {
        let on_lines: Vec<&Span> =
            self.functions.iter().filter(|span| span.first_line == first_line && span.last_line == last_line).collect();
        let captures_them = |span: &&&Span| {
            let is_captured = |name: &Vec<u8>| captured.contains(name);
            span.names.iter().all(|(name, meaning)| *meaning != Meaning::Outer || is_captured(name))
                && captured.iter().all(|name| span.names.get(name).is_some_and(|meaning| *meaning != Meaning::Global))
        };
        let mut candidates: Vec<&Span> = on_lines.iter().filter(captures_them).copied().collect();
        if candidates.is_empty() {
            candidates = on_lines;
        }
        let Some(first) = candidates.first().copied() else { return Err(NotFound::Nothing) };
        let text = |span: &Span| &self.text[span.begin..span.end];
        if candidates.iter().any(|other| text(other) != text(first)) {
            return Err(NotFound::Ambiguous);
        }
        Ok(Found { text: text(first), names: &first.names })
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
        chunk.function(first, last, &[]).map(|found| String::from_utf8_lossy(found.text).into_owned())
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
        let chunk = Chunk::new(b"local a, b f(function() return a end, function() return b end)".to_vec());
        let found = chunk.function(1, 1, &[b"b".to_vec()]).unwrap();
        assert_eq!(found.text, b"function() return b end");
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
        assert_eq!(meaning("f(function()\ndo local x end return x end)", "x"), Some(Meaning::Global));
        assert_eq!(meaning("f(function()\nrepeat local x until x end)", "x"), None);
        assert_eq!(meaning("f(function()\nreturn t.x, { x = 1 }, t:x() end)", "x"), None);
        assert_eq!(meaning("f(function()\nlocal function x() return x end end)", "x"), None);
        assert_eq!(meaning("f(function()\nlocal x = function() return x end end)", "x"), Some(Meaning::Global));
        assert_eq!(meaning("f(function()\ngoto x ::x:: end)", "x"), None);
        assert_eq!(meaning("function t.a:b()\nreturn self end", "self"), None);
    }

    #[test]
    fn a_constant_made_of_others_leads_to_all_of_them() {
        let source = "local y <const> = 1 local z <const> = y local x <const> = -z f(function()\nreturn x end)";
        let Some(Meaning::Constant { declarations }) = meaning(source, "x") else { panic!("no constant") };
        assert_eq!(declarations.len(), 3);
    }

    #[test]
    fn compile_time_constants_lead_to_their_declaration() {
        let source = "local x <const> = 1 + 2 f(function()\nreturn x end)";
        let chunk = Chunk::new(source.as_bytes().to_vec());
        let Some(Meaning::Constant { declarations }) = meaning(source, "x") else { panic!("no constant") };
        let texts: Vec<_> = declarations.iter().map(|(begin, end)| chunk.declaration(*begin, *end)).collect();
        assert_eq!(texts, [b"local x <const> = 1 + 2"]);
    }
}
