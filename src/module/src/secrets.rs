//! `bindings.secrets_*`: documents of SOPS and files of age, for commands and scripts. What is
//! decrypted goes to Lua only where it is asked for.

mod edit;
mod outline;
mod shared;

use std::io::Write;
use std::path::PathBuf;

use mlua::prelude::*;
use shared::{path_of, recipients_of_environment, rules_file, to_lua};
use syslua_engine::failure::FailureKind;
use syslua_engine::platform;
use syslua_secrets::file::{self, Stored};
use syslua_secrets::recipient::Recipient;
use syslua_secrets::{KeyPath, Plain, Problem, Type, Value, identity, rules};
use zeroize::Zeroizing;

use crate::error::{Answer, Error, InFile};
use crate::identities::{get_identities, settings_directory};
use crate::machine;
use crate::register::register as register_function;

/// The value of a key: `content` as a file gets it, `json`, `value` and its type.
fn get(lua: &Lua, path: &LuaString, key: Option<&str>) -> Answer<LuaTable> {
    let (path, identities) = (path_of(path), get_identities());
    let make = |content: &[u8], json: &str, value: LuaValue, kind: &str| {
        let table = lua.create_table()?;
        table.set("content", lua.create_string(content)?)?;
        table.set("json", json)?;
        table.set("value", value)?;
        table.set("type", kind)?;
        LuaResult::Ok(table)
    };
    let Some(key) = key else {
        let content = file::content(&path, &identities)?;
        let text = lua.create_string(&*content)?;
        let json = match std::str::from_utf8(&content) {
            Ok(text) => Plain::text(text).to_json(),
            Err(_) => Plain::Value(Value::Bytes(content.to_vec())).to_json(),
        };
        return Ok(make(&content, &json, LuaValue::String(text), "document")?);
    };
    let key = KeyPath::parse(key)?;
    let stored = Stored::open(&path, &identities)?;
    let plain = stored.opened.get(&key).in_file(&path)?;
    let json = plain.to_json();
    let (content, kind) = match &plain {
        Plain::Value(value) => (value.to_content(), value.type_of().name()),
        Plain::List(_) => (Zeroizing::new(json.as_bytes().to_vec()), "list"),
        Plain::Map(_) => (Zeroizing::new(json.as_bytes().to_vec()), "map"),
    };
    let value = to_lua(lua, &plain)?;
    Ok(make(&content, &json, value, kind)?)
}

fn set(
    lua: &Lua,
    path: &LuaString,
    key: &str,
    text: &LuaString,
    kind: Option<&str>,
) -> Answer<LuaTable> {
    let path = path_of(path);
    let key = KeyPath::parse(key)?;
    let kind = kind
        .map(|name| {
            Type::from_name(name)
                .filter(|kind| !matches!(kind, Type::Bytes | Type::Comment))
                .ok_or_else(|| {
                    Error::new(FailureKind::Usage, format!("there is no type `{name}`"))
                        .with_hint("types are str, int, float, bool, time and null")
                })
        })
        .transpose()?;
    let bytes = Zeroizing::new(text.as_bytes().to_vec());
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Error::new(FailureKind::Secrets, format!("the value for `{key}` is not UTF-8 text"))
            .with_hint(
                "encode it, for example as base64; or encrypt it with sops into a file of its own, \
                 and declare secret = sops.load(\"FILE\")",
            )
    })?;
    let given = recipients_of_environment()?;
    let mut stored =
        Stored::open_or_make(&path, &get_identities(), &given, rules_file().as_deref())?;
    let value = stored.value_for(&key, text, kind)?;
    let same = stored.opened.get(&key).is_ok_and(|there| there == value);
    if !same {
        stored.opened.set(&key, &value).in_file(&path)?;
    }
    let is_new = stored.is_new();
    let changed = stored.save()?;
    let kind = match &value {
        Plain::Value(value) => value.type_of().name(),
        _ => "",
    };
    let table = lua.create_table()?;
    table.set("key", key.to_string())?;
    table.set("type", kind)?;
    table.set("created", is_new)?;
    table.set("changed", changed)?;
    Ok(table)
}

/// A new data key, for the recipients of the creation rule, or of the document when there is no
/// rule.
fn rotate(lua: &Lua, path: &LuaString, recipients: Option<Vec<String>>) -> Answer<LuaTable> {
    let path = path_of(path);
    let mut stored = Stored::open(&path, &get_identities())?;
    let before: Vec<String> =
        stored.opened.document().recipients().into_iter().map(str::to_owned).collect();
    let texts = match recipients {
        Some(given) if !given.is_empty() => given,
        _ => {
            let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
            match rules::get_rule(&absolute, rules_file().as_deref())? {
                Some(rule) => rule.recipients.iter().map(ToString::to_string).collect(),
                None => before.clone(),
            }
        }
    };
    let recipients: Vec<Recipient> =
        texts.iter().map(|text| Recipient::parse(text)).collect::<Result<_, Problem>>()?;
    stored.opened.rotate(&recipients).in_file(&path)?;
    stored.save()?;
    Ok(describe(lua, &stored, &before, true)?)
}

/// A list, which is one in JSON even when it is empty.
fn list(lua: &Lua, texts: Vec<String>) -> LuaResult<LuaTable> {
    let table = lua.create_sequence_from(texts)?;
    table.set_metatable(Some(lua.array_metatable()))?;
    Ok(table)
}

/// The recipients now, and who of them is new or gone.
fn describe(lua: &Lua, stored: &Stored, before: &[String], changed: bool) -> LuaResult<LuaTable> {
    let now: Vec<String> =
        stored.opened.document().recipients().into_iter().map(str::to_owned).collect();
    let table = lua.create_table()?;
    let missing = |from: &[String], of: &[String]| -> Vec<String> {
        of.iter().filter(|one| !from.contains(one)).cloned().collect()
    };
    table.set("added", list(lua, missing(before, &now))?)?;
    table.set("removed", list(lua, missing(&now, before))?)?;
    table.set("recipients", list(lua, now)?)?;
    table.set("changed", changed)?;
    Ok(table)
}

fn recipients(
    lua: &Lua,
    path: &LuaString,
    action: &str,
    recipient: Option<&str>,
) -> Answer<LuaTable> {
    let path = path_of(path);
    if action == "list" {
        let document = file::document(&path)?;
        let list: Vec<String> = document.recipients().into_iter().map(str::to_owned).collect();
        let table = lua.create_table()?;
        table.set("recipients", list)?;
        return Ok(table);
    }
    let recipient = recipient.unwrap_or_default();
    let mut stored = Stored::open(&path, &get_identities())?;
    let before: Vec<String> =
        stored.opened.document().recipients().into_iter().map(str::to_owned).collect();
    let done = match action {
        "add" => Recipient::parse(recipient)
            .and_then(|recipient| stored.opened.add_recipient(&recipient)),
        _ => stored.opened.remove_recipient(recipient).map(|()| true),
    };
    let changed = done.in_file(&path)?;
    if changed {
        stored.save()?;
    }
    Ok(describe(lua, &stored, &before, changed)?)
}

/// Makes an identity in a file that is not there yet: the one given, else where sops looks for it.
#[expect(
    clippy::disallowed_methods,
    reason = "an identity is a file of the user, and no build can change it"
)]
fn keygen(lua: &Lua, path: Option<&LuaString>) -> Answer<LuaTable> {
    let home = machine::home().ok();
    let path = match path {
        Some(path) => path_of(path),
        None => match std::env::var_os("SOPS_AGE_KEY_FILE").filter(|file| !file.is_empty()) {
            Some(file) => PathBuf::from(file),
            None => settings_directory(home.as_deref())
                .ok_or_else(|| {
                    Error::new(FailureKind::Secrets, "the home directory is not known")
                        .with_hint("set HOME")
                })?
                .join("sops/age/keys.txt"),
        },
    };
    let failed = |error: std::io::Error| {
        let what = format!("cannot make {}: {}", path.display(), platform::reason(&error));
        let failure = Error::new(FailureKind::Secrets, what);
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            failure.with_hint(
                "the existing identity stays, since a lost one cannot be recovered: \
                 name another file with --output",
            )
        } else {
            failure
        }
    };
    let (identity, recipient) = identity::generate();
    let content = Zeroizing::new(format!("# public key: {recipient}\n{}\n", *identity));
    if let Some(parent) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(parent).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(failed)?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    let table = lua.create_table()?;
    table.set("file", path.display().to_string())?;
    table.set("recipient", recipient.as_str())?;
    Ok(table)
}

/// Registers them.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    type Get = (LuaString, Option<String>);
    register_function(lua, native, "secrets_get", |lua, (path, key): Get| {
        let _no_core = platform::NoCore::begin();
        get(lua, &path, key.as_deref())
    })?;
    type Set = (LuaString, String, LuaString, Option<String>);
    register_function(lua, native, "secrets_set", |lua, (path, key, text, kind): Set| {
        let _no_core = platform::NoCore::begin();
        set(lua, &path, &key, &text, kind.as_deref())
    })?;
    type Rotate = (LuaString, Option<Vec<String>>);
    register_function(lua, native, "secrets_rotate", |lua, (path, recipients): Rotate| {
        let _no_core = platform::NoCore::begin();
        rotate(lua, &path, recipients)
    })?;
    type Change = (LuaString, String, Option<String>);
    register_function(
        lua,
        native,
        "secrets_recipients",
        |lua, (path, action, recipient): Change| {
            let _no_core = platform::NoCore::begin();
            recipients(lua, &path, &action, recipient.as_deref())
        },
    )?;
    register_function(lua, native, "secrets_keygen", |lua, path: Option<LuaString>| {
        let _no_core = platform::NoCore::begin();
        keygen(lua, path.as_ref())
    })?;
    type Edit = (LuaString, Vec<String>, LuaFunction);
    register_function(lua, native, "secrets_edit", |lua, (path, editor, on_problem): Edit| {
        let _no_core = platform::NoCore::begin();
        edit::edit(lua, &path, &editor, &on_problem)
    })?;
    // For commands that have values in Lua, which nothing wipes, until they end.
    register_function(lua, native, "leave_no_core", |_, ()| {
        std::mem::forget(platform::NoCore::begin());
        Ok(true)
    })?;
    type Load = (String, LuaString, LuaString, LuaFunction, LuaFunction);
    register_function(
        lua,
        native,
        "secret_document",
        |lua, (kind, name, content, leaf, map): Load| {
            outline::document(lua, &kind, &name, &content, &leaf, &map)
        },
    )?;
    register_function(lua, native, "secrets_outline", |lua, path: LuaString| {
        outline::outline(lua, &path)
    })
}
