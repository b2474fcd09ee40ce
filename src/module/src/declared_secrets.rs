//! What secrets of a config are made of, and variables with secrets.

use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::action::{Named, Part, Reference, Secret, SecretScript};
use syslua_engine::activation::DeclaredAction;
use syslua_engine::derivation::{FileContent, FileRecipe};
use syslua_engine::environment::{self, shells};
use syslua_engine::failure::FailureKind;
use syslua_engine::hash::Hash;
use syslua_engine::value::Text;

use crate::error::{Answer, Error, OrFail};
use crate::given::{Given, NamedPieces, Piece};
use crate::recipes::derive_file;
use crate::records::{add_ticket_at, record_in_scope, ticket};
use crate::register::register as register_function;
use crate::state::Ticket;

/// Returns what a secret is made of; declares the derivation of each document.
fn parts_of(lua: &Lua, pieces: &[Piece], ticket: &Ticket) -> Answer<Vec<Part>> {
    let part = |piece: &Piece| match piece {
        Piece::Plain(text) => Ok(Part::Plain { text: Text(text.clone()) }),
        Piece::Value { name, content, key, sealed } => {
            let content = FileContent::Text(content.clone());
            let recipe = FileRecipe { content, executable: false };
            let sealed = Hash::parse(sealed).or_fail(FailureKind::Config)?;
            Ok(Part::Value(Reference {
                document: Text(derive_file(lua, name, recipe, ticket)?),
                origin: Text(name.clone()),
                key: key.clone(),
                sealed,
            }))
        }
        Piece::Command(words) => {
            let command = words.iter().cloned().map(Text).collect();
            Ok(Part::Command { command, printed: None })
        }
        Piece::Template { template, texts, values } => {
            let named = |named: &NamedPieces| {
                let value = parts_of(lua, &named.pieces, ticket)?;
                Ok(Named { path: named.path.clone(), value, plain: named.plain.clone() })
            };
            let texts = texts.iter().map(|(name, text)| (name.clone(), text.clone().map(Text)));
            Ok(Part::Template {
                template: template.clone(),
                texts: texts.collect(),
                values: values.iter().map(named).collect::<Answer<_>>()?,
            })
        }
    };
    pieces.iter().map(part).collect()
}

/// Declares a secret at a target.
///
/// # Errors
/// Outside of an evaluation.
pub fn declare_secret(lua: &Lua, given: &Given, pieces: &[Piece], ticket: &Ticket) -> Answer<()> {
    let more = &given.more;
    let secret = Secret {
        target: Text(given.target.clone()),
        content: parts_of(lua, pieces, ticket)?,
        mode: more.mode.clone(),
        owner: more.owner.clone(),
        copy: more.is_installed,
        ..Secret::default()
    };
    let mut activation = DeclaredAction::new(secret.into(), Arc::clone(&ticket.positions));
    more.explained.clone().note(&mut activation);
    record_in_scope(lua, activation, Some(ticket.order))
}

/// Refuses names that shells keep for themselves, and lists, whose entries a secret would replace.
fn check_name(name: &str, position: Option<String>) -> Answer<()> {
    if let Some(keeper) = environment::keeper(name) {
        let message = format!("the variable {name} cannot be set: {keeper} reserves it");
        return Err(Error::new(FailureKind::Config, message).at(position));
    }
    if environment::is_list(name) {
        let message = format!("the variable {name} is a list, and a secret would replace it");
        return Err(Error::new(FailureKind::Config, message)
            .with_hint("env{} adds entries to it")
            .at(position));
    }
    Ok(())
}

/// Declares variables whose values are secrets: a private script for each language of shells.
fn declare_secret_variables(
    lua: &Lua,
    variables: &[LuaTable],
    positions: Vec<String>,
) -> Answer<()> {
    let number = add_ticket_at(lua, positions.into())?;
    let ticket = ticket(lua, number)?;
    let mut values = Vec::new();
    for variable in variables {
        let name: String = variable.raw_get("variable")?;
        check_name(&name, variable.raw_get("position")?)?;
        let pieces = Piece::list(variable)?;
        values.push((name, parts_of(lua, &pieces, &ticket)?));
    }
    for shell in shells::scripts() {
        let shells: Vec<String> = match shell.name() {
            "sh" | "bash" | "zsh" => ["sh", "bash", "zsh"].map(str::to_owned).into(),
            other => vec![other.to_owned()],
        };
        let line = |(name, value): &(String, Vec<Part>)| Part::Variable {
            shell: shells[0].clone(),
            variable: name.clone(),
            value: value.clone(),
        };
        let content = values.iter().map(line).collect();
        let suffix = shell.file().trim_start_matches("env").to_owned();
        let secret = Secret { content, suffix, ..Secret::default() };
        let action = SecretScript { secret, shells };
        let activation = DeclaredAction::new(action.into(), Arc::clone(&ticket.positions));
        record_in_scope(lua, activation, Some(ticket.order))?;
    }
    Ok(())
}

/// Registers what `lib.secret.env` calls.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(
        lua,
        native,
        "declare_secret_variables",
        |lua, (variables, positions): (Vec<LuaTable>, Vec<String>)| {
            declare_secret_variables(lua, &variables, positions).map(|()| true)
        },
    )
}
