//! The code that `string.dump` makes: what Lua makes of a function is part of what it makes of the
//! whole text. The formats are those of `ldump.c` and `lundump.h` of each version, and of
//! `lj_bcwrite.c`.

/// Which Lua made a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Lua 5.1.
    Lua51,
    /// Lua 5.2.
    Lua52,
    /// Lua 5.3.
    Lua53,
    /// Lua 5.4.
    Lua54,
    /// `LuaJIT`.
    LuaJit,
}

impl Dialect {
    /// Returns the bytes before the outermost function: marks, the version, the sizes of numbers,
    /// from 5.3 on a number of each kind, and how many variables are captured; of `LuaJIT` three
    /// marks, the version and one byte of flags.
    const fn header(self) -> usize {
        match self {
            Dialect::Lua51 => 12,
            Dialect::Lua52 => 18,
            Dialect::Lua53 => 34,
            Dialect::Lua54 => 32,
            Dialect::LuaJit => 5,
        }
    }
}

/// Returns the code in a dump without the header and the name of the chunk, which inner functions
/// of a text do not repeat; `None` if it is not the dump of a chunk of that name.
pub fn code<'a>(dump: &'a [u8], name: &str, dialect: Dialect) -> Option<&'a [u8]> {
    // Lengths count a zero that ends the text; only Lua 5.1 writes that zero.
    let length = name.len() + 1;
    let size = match dialect {
        // The name is among the names for debugging, which each function has.
        Dialect::Lua52 => return dump.get(dialect.header()..),
        Dialect::Lua51 => size_of::<usize>(),
        Dialect::Lua53 if length < 0xff => 1,
        Dialect::Lua53 => 1 + size_of::<usize>(),
        Dialect::Lua54 => seven_bits(length),
        Dialect::LuaJit => seven_bits(name.len()),
    };
    let code = dump.get(dialect.header() + size..)?.strip_prefix(name.as_bytes())?;
    match dialect {
        Dialect::Lua51 => code.strip_prefix(b"\0"),
        // A zero ends the list of functions.
        Dialect::LuaJit => code.split_last().map(|(_, functions)| functions),
        _ => Some(code),
    }
}

/// Returns how many bytes of a function's code are changed from what they are in the code of the
/// whole text, if it is there. `changes` are the pairs of bytes that may stand for each other.
pub fn changed_bytes(whole: &[u8], code: &[u8], changes: &[(u8, u8)]) -> Option<usize> {
    let count = |place: &[u8]| {
        let mut count = 0;
        for pair in place.iter().copied().zip(code.iter().copied()) {
            if pair.0 != pair.1 {
                if !changes.contains(&pair) {
                    return None;
                }
                count += 1;
            }
        }
        Some(count)
    };
    whole.windows(code.len().max(1)).filter_map(count).min()
}

/// Returns the part of a file that `loadfile` compiles: it leaves a byte order mark and a first
/// line with `#` out, and the numbers of lines stay.
pub fn compiled_part(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if text.starts_with(b"#") {
        &text[text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len())..]
    } else {
        text
    }
}

/// Returns how many bytes a number takes with seven bits in each.
const fn seven_bits(number: usize) -> usize {
    let bits = (usize::BITS - number.leading_zeros()) as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_follows_the_header_and_the_name() {
        let dump = |header: usize, size: &[u8], rest: &[u8]| {
            [&vec![7; header][..], size, b"@a", rest].concat()
        };
        let size = [0; size_of::<usize>()];
        for (dialect, dump) in [
            (Dialect::Lua51, dump(12, &size, b"\0code")),
            (Dialect::Lua53, dump(34, &[3], b"code")),
            (Dialect::Lua54, dump(32, &[0x83], b"code")),
            (Dialect::LuaJit, dump(5, &[2], b"code\0")),
        ] {
            assert_eq!(code(&dump, "@a", dialect), Some(&b"code"[..]), "{dialect:?}");
            assert_eq!(code(&dump, "@b", dialect), None);
            assert_eq!(code(&dump[..4], "@a", dialect), None);
        }
    }

    #[test]
    fn only_known_changes_count() {
        assert_eq!(changed_bytes(b"xabcx", b"abc", &[]), Some(0));
        assert_eq!(changed_bytes(b"xaBcx", b"abc", &[(b'B', b'b')]), Some(1));
        assert_eq!(changed_bytes(b"xaBcx", b"abc", &[]), None);
        assert_eq!(changed_bytes(b"", b"abc", &[]), None);
    }

    #[test]
    fn marks_and_first_lines_are_not_compiled() {
        assert_eq!(compiled_part(b"\xef\xbb\xbf#!x\nreturn"), b"\nreturn");
        assert_eq!(compiled_part(b"#!x"), b"");
        assert_eq!(compiled_part(b"return"), b"return");
    }
}
