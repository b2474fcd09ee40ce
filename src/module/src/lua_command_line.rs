//! Whether the interpreter was started as `lua -l syslua COMMAND`. Knows no command.

use std::ffi::OsString;

use mlua::prelude::*;

/// Returns the words that follow the interpreter's own options, when one of these is `-l syslua`.
///
/// They are in `arg` since Lua 5.3, whose `-l name=module` overwrites the process's own; earlier
/// ones set it only after `-l`.
pub fn command(lua: &Lua) -> LuaResult<Option<Vec<LuaString>>> {
    let words = match lua.globals().raw_get::<Option<LuaTable>>("arg") {
        Ok(Some(words)) => from_table(&words)?,
        _ => std::env::args_os().skip(1).map(bytes).collect(),
    };
    find(&words).map(|rest| rest.iter().map(|word| lua.create_string(word)).collect()).transpose()
}

/// The words after the interpreter's name, which has the lowest index.
fn from_table(arg: &LuaTable) -> LuaResult<Vec<Vec<u8>>> {
    let word = |index: i64| arg.raw_get::<Option<LuaString>>(index);
    let mut first = 0;
    while word(first - 1)?.is_some() {
        first -= 1;
    }
    let mut words = Vec::new();
    while let Some(text) = word(first + 1)? {
        words.push(text.as_bytes().to_vec());
        first += 1;
    }
    Ok(words)
}

fn bytes(word: OsString) -> Vec<u8> {
    word.into_encoded_bytes()
}

fn find(words: &[Vec<u8>]) -> Option<&[Vec<u8>]> {
    let mut named = false;
    let mut place = 0;
    while let Some(word) = words.get(place) {
        place += 1;
        match word.as_slice() {
            b"--" => break,
            b"-" => {
                place -= 1;
                break;
            }
            b"-l" => {
                named |= words.get(place).is_some_and(|name| is_ours(name));
                place += 1;
            }
            // Users who ask for code or a prompt get just that.
            b"-i" => return None,
            b"-e" if named => return None,
            b"-e" => place += 1,
            option if option.starts_with(b"-l") => named |= is_ours(&option[2..]),
            option if option.starts_with(b"-e") && named => return None,
            option if option.starts_with(b"-") => {}
            _ => {
                place -= 1;
                break;
            }
        }
    }
    (named && place < words.len()).then(|| &words[place..])
}

/// Lua 5.4 also takes `-l name=syslua`.
fn is_ours(name: &[u8]) -> bool {
    name.rsplit(|&byte| byte == b'=').next() == Some(b"syslua".as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Option<String> {
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        find(&words).map(|rest| String::from_utf8(rest.join(&b' ')).unwrap())
    }

    #[test]
    fn a_word_after_our_name_is_a_command() {
        for line in [
            "-l syslua apply x",
            "-lsyslua apply x",
            "-l s=syslua apply x",
            "-e x=1 -lsyslua -W apply x",
            "-l other -l syslua -- apply x",
        ] {
            assert_eq!(found(line).as_deref(), Some("apply x"), "{line}");
        }
        assert_eq!(found("-l syslua -").as_deref(), Some("-"));
    }

    #[test]
    fn anything_else_starts_nothing() {
        for line in [
            "",
            "script.lua",
            "script.lua -l syslua apply",
            "-l syslua",
            "-l syslua -e code",
            "-l syslua -ecode x",
            "-i -l syslua apply",
            "-l other apply",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }
}
