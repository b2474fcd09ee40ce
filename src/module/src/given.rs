//! One `file{}`, as the Lua side passes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mlua::BString;
use mlua::prelude::*;
use syslua_engine::platform;
use syslua_engine::tree_choice::Choice;
use syslua_engine::value::Source;

use crate::records::Explained;
use crate::values::handles::source_of;

/// Where the content of a file is from.
pub enum Origin {
    /// It is given.
    Content,
    /// A local file or tree, which is copied into the store.
    Local,
    /// What `source()` gave.
    Declared(Source),
    /// A path in what a derivation makes.
    Built,
    /// None: the place must stay free.
    None,
    /// A secret, by its parts.
    Secret(Vec<Piece>),
    /// A local file or tree, which is linked to as it is.
    Own,
    /// A file of a local tree, below what the whole tree becomes. `top` is the target of the tree.
    Member {
        /// The target of the tree.
        top: Vec<u8>,
        /// The path of the file below it.
        below: Vec<u8>,
        /// What is left out of the tree, by the paths below it.
        excluded: Rc<BTreeSet<PathBuf>>,
    },
    /// What is left of this tree of the collection, file by file.
    Tree(usize),
}

/// A part of a secret, as the Lua side hands it over.
pub enum Piece {
    /// A text that is not a secret.
    Plain(Vec<u8>),
    /// A value of an encrypted document.
    Value {
        /// What the document is called.
        name: Vec<u8>,
        /// The encrypted text.
        content: Vec<u8>,
        /// The way to the value.
        key: String,
        /// The digest of its encrypted text.
        sealed: String,
    },
    /// What a template makes of secrets.
    Template {
        /// Its name among the texts.
        template: String,
        /// The texts by their names; those that do not exist have none.
        texts: BTreeMap<String, Option<Vec<u8>>>,
        /// What names stand for.
        values: Vec<NamedPieces>,
    },
    /// What a program prints: it and its arguments.
    Command(Vec<Vec<u8>>),
}

/// What a name in a template stands for.
pub struct NamedPieces {
    /// The names that lead to it.
    pub path: Vec<String>,
    /// What it consists of.
    pub pieces: Vec<Piece>,
    /// A number, a truth value or an empty list, in the place of pieces.
    pub plain: Option<serde_json::Value>,
}

impl NamedPieces {
    fn read(table: &LuaTable) -> LuaResult<NamedPieces> {
        let plain = match table.raw_get::<LuaValue>("plain")? {
            LuaValue::Boolean(truth) => Some(truth.into()),
            LuaValue::Integer(number) => Some(number.into()),
            LuaValue::Number(number) => Some(number.into()),
            LuaValue::Table(_) => Some(serde_json::Value::Array(Vec::new())),
            _ => None,
        };
        Ok(NamedPieces { path: table.raw_get("path")?, pieces: Piece::list(table)?, plain })
    }
}

impl Piece {
    /// Reads the parts in the field `value` of a table.
    pub fn list(table: &LuaTable) -> LuaResult<Vec<Piece>> {
        let parts = table.raw_get::<Vec<LuaValue>>("value")?;
        parts.into_iter().map(Piece::read).collect()
    }

    /// Reads one: a text, or a table that refers to a value.
    pub fn read(value: LuaValue) -> LuaResult<Piece> {
        match value {
            LuaValue::Table(table) if table.contains_key("command")? => {
                let words = table.raw_get::<Vec<BString>>("command")?;
                Ok(Piece::Command(words.into_iter().map(Into::into).collect()))
            }
            LuaValue::Table(table) if table.contains_key("template")? => {
                let texts = table.raw_get::<LuaTable>("texts")?;
                let texts = texts.pairs::<BString, LuaValue>().map(|pair| {
                    let (name, text) = pair?;
                    let text = text.as_string().map(|text| text.as_bytes().to_vec());
                    Ok((String::from_utf8_lossy(&name).into_owned(), text))
                });
                let values = table.raw_get::<Vec<LuaTable>>("values")?.into_iter();
                let values = values.map(|named| NamedPieces::read(&named));
                let template = table.raw_get::<BString>("template")?;
                Ok(Piece::Template {
                    template: String::from_utf8_lossy(&template).into_owned(),
                    texts: texts.collect::<LuaResult<_>>()?,
                    values: values.collect::<LuaResult<_>>()?,
                })
            }
            LuaValue::Table(table) => Ok(Piece::Value {
                name: table.raw_get::<BString>("name")?.into(),
                content: table.raw_get::<BString>("content")?.into(),
                key: table.raw_get("key")?,
                sealed: table.raw_get("sealed")?,
            }),
            LuaValue::String(text) => Ok(Piece::Plain(text.as_bytes().to_vec())),
            other => {
                Err(LuaError::external(format!("a part of a secret is a {}", other.type_name())))
            }
        }
    }
}

/// One file, as the Lua side hands it over.
pub struct Given {
    /// Where it is to be.
    pub target: Vec<u8>,
    /// The content, or where the source is.
    pub text: Vec<u8>,
    /// Where its content is from.
    pub origin: Origin,
    /// Whether it can be run.
    pub executable: bool,
    /// What else there is to say.
    pub more: Rc<More>,
}

/// What there is to say of a file besides its path and its content: what
/// `lua/syslua/helpers/file/declare.lua` says.
#[derive(Default)]
pub struct More {
    /// Whether it is public, whatever the mode of its source.
    pub is_public: bool,
    /// Whether the place must stay free.
    pub is_absent: bool,
    /// Whether it is a built tree, whose files are linked one by one.
    pub is_whole: bool,
    /// Whether it is a real file.
    pub is_installed: bool,
    /// Whether it is written only to a free place.
    pub is_once: bool,
    /// The permissions of a real file, in octal.
    pub mode: Option<String>,
    /// The owner of a real file.
    pub owner: Option<String>,
    /// Where the user's own tree is that the file is one of.
    pub tree: Option<PathBuf>,
    /// The number of the tree of the collection that it is a file of.
    pub member_of: Option<usize>,
    /// What of a built tree is taken.
    pub choice: Option<Choice>,
    /// By which number it won, and over which others.
    pub explained: Explained,
}

/// Reads what of a tree is taken: the fields `exclude` and `include`. Nothing without either.
///
/// # Errors
/// When they are no lists of texts.
pub fn choice(table: &LuaTable) -> LuaResult<Option<Choice>> {
    let patterns = |key: &str| {
        let patterns: Option<Vec<LuaString>> = table.raw_get(key)?;
        let text = |pattern: &LuaString| pattern.to_string_lossy();
        LuaResult::Ok(patterns.map(|patterns| patterns.iter().map(text).collect()))
    };
    Ok(match (patterns("exclude")?, patterns("include")?) {
        (None, None) => None,
        (exclude, include) => Some(Choice { exclude: exclude.unwrap_or_default(), include }),
    })
}

impl More {
    fn read(table: &LuaTable, directory: &Path) -> LuaResult<More> {
        let is = |key: &str| table.raw_get::<Option<bool>>(key).map(|given| given.unwrap_or(false));
        let tree = table.raw_get::<Option<BString>>("tree")?;
        Ok(More {
            is_public: is("public")?,
            is_absent: is("absent")?,
            is_whole: is("whole")?,
            is_installed: is("install")?,
            is_once: is("once")?,
            mode: table.raw_get("mode")?,
            owner: table.raw_get("owner")?,
            tree: tree.map(|place| directory.join(platform::path_from_bytes(&place))),
            member_of: table.raw_get("member_of")?,
            choice: choice(table)?,
            explained: Explained::read(table)?,
        })
    }
}

impl Given {
    /// Reads a file of a list: its target, its ticket, whether the next is its content rather than
    /// its source, that, and a table of what else there is to say, or false.
    pub fn read(lua: &Lua, list: &LuaTable, first: usize, directory: &Path) -> LuaResult<Given> {
        let more = match list.raw_get(first + 4)? {
            LuaValue::Table(more) => Some(more),
            _ => None,
        };
        let is_content: bool = list.raw_get(first + 2)?;
        Ok(Given {
            target: list.raw_get::<BString>(first)?.into(),
            text: list.raw_get::<BString>(first + 3)?.into(),
            origin: if is_content { Origin::Content } else { origin(lua, more.as_ref())? },
            executable: more
                .as_ref()
                .is_some_and(|more| more.raw_get("executable").unwrap_or(false)),
            more: Rc::new(
                more.map_or_else(|| Ok(More::default()), |more| More::read(&more, directory))?,
            ),
        })
    }
}

fn origin(lua: &Lua, more: Option<&LuaTable>) -> LuaResult<Origin> {
    let Some(more) = more else { return Ok(Origin::Local) };
    if let Some(handle) = more.raw_get::<Option<LuaTable>>("declared")? {
        let source = source_of(lua, &handle, &|| "source".to_owned())
            .map_err(|failure| LuaError::external(failure.message.clone()))?;
        return Ok(source.map_or(Origin::Local, Origin::Declared));
    }
    if let Some(number) = more.raw_get::<Option<usize>>("members")? {
        return Ok(Origin::Tree(number));
    }
    if let Some(below) = more.raw_get::<Option<BString>>("below")? {
        let top = more.raw_get::<BString>("top")?.into();
        return Ok(Origin::Member { top, below: below.into(), excluded: Rc::default() });
    }
    if let Some(parts) = more.raw_get::<Option<Vec<LuaValue>>>("secret")? {
        return Ok(Origin::Secret(parts.into_iter().map(Piece::read).collect::<LuaResult<_>>()?));
    }
    Ok(match more.raw_get::<Option<String>>("origin")?.as_deref() {
        Some("built") => Origin::Built,
        Some("own") => Origin::Own,
        Some("none") => Origin::None,
        _ => Origin::Local,
    })
}
