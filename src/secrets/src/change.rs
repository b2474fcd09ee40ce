//! Changes of a document's text that put a value at a path.

use crate::edit::Edits;
use crate::format::Format;
use crate::key_path::{KeyPath, Step};
use crate::plain::Plain;
use crate::problem::{Problem, Result};
use crate::tree::{Node, ValueKind};
use crate::value::Value;
use crate::{dotenv, ini, json, yaml};

/// The error for a step that leads nowhere.
pub(crate) fn missing(gone: &[Step], step: &Step, at: &Plain) -> Problem {
    let here = KeyPath::new(gone.to_vec());
    let place = if gone.is_empty() { "the document".to_owned() } else { format!("`{here}`") };
    match (step, at) {
        (Step::Key(key), Plain::Map(entries)) => {
            let names: Vec<&str> = entries.iter().take(20).map(|(name, _)| name.as_str()).collect();
            let hint = if names.is_empty() {
                "it is empty".to_owned()
            } else {
                format!("it has {}", names.join(", "))
            };
            Problem::new(format!("there is no `{key}` in {place}")).with_hint(hint)
        }
        (Step::Index(index), Plain::List(items)) => Problem::new(format!(
            "there is no [{index}] in {place}, which has {} elements",
            items.len()
        )),
        (Step::Key(key), _) => {
            Problem::new(format!("there is no `{key}` in {place}, which is not a map"))
        }
        (Step::Index(index), _) => {
            Problem::new(format!("there is no [{index}] in {place}, which is not a list"))
        }
    }
}

/// Makes the change of a text that puts a value at a path below a node.
pub(crate) fn change(
    format: Format,
    text: &str,
    root: &Node,
    steps: &[Step],
    value: &Plain,
    edits: &mut Edits,
) -> Result<()> {
    let (mut node, mut gone) = (root, 0);
    while gone < steps.len() {
        let next = match (&steps[gone], &node.kind) {
            (Step::Key(key), ValueKind::Map(_)) => node.get(key).map(|entry| &entry.node),
            (Step::Index(index), ValueKind::List(_)) => {
                let count = node.entries().count();
                if *index > count {
                    let here = KeyPath::new(steps[..gone].to_vec());
                    return Err(Problem::new(format!("`{here}` has {count} elements"))
                        .with_hint(format!("the next one is `{here}[{count}]`")));
                }
                node.entries().nth(*index).map(|entry| &entry.node)
            }
            // Nothing at all becomes what is needed.
            (_, ValueKind::Leaf(Value::Null)) => break,
            (step, _) => return Err(missing(&steps[..gone], step, &Plain::Value(Value::Null))),
        };
        let Some(next) = next else { break };
        node = next;
        gone += 1;
    }
    if gone == steps.len() || matches!(node.kind, ValueKind::Leaf(_)) {
        let new = build(&steps[gone..], value);
        return put_in_place(format, text, node, &new, &KeyPath::new(steps.to_vec()), edits);
    }
    let new = build(&steps[gone + 1..], value);
    let key = match &steps[gone] {
        Step::Key(key) => Some(key.as_str()),
        Step::Index(_) => None,
    };
    match format {
        Format::Yaml => yaml::append(edits, text, node, key, &new),
        Format::Json => json::append(edits, text, node, key, &new),
        Format::Binary => {
            return Err(Problem::new("a binary document is one value without keys"));
        }
        Format::Dotenv => {
            let (at, line) =
                dotenv::insertion(text, key.unwrap_or_default(), &dotenv::render(leaf(&new)?)?)?;
            edits.insert(at, line);
        }
        Format::Ini => {
            let [Step::Key(section), Step::Key(name)] = steps else {
                return Err(Problem::new("a key of an INI document is `section.key`"));
            };
            let (at, line) = ini::insertion(text, section, name, &ini::render(leaf(value)?)?)?;
            edits.insert(at, line);
        }
    }
    Ok(())
}

fn leaf(plain: &Plain) -> Result<&Value> {
    match plain {
        Plain::Value(value) => Ok(value),
        _ => Err(Problem::new("this format cannot hold lists or maps below a key")),
    }
}

/// The value with the lists and maps around it that are missing.
fn build(steps: &[Step], value: &Plain) -> Plain {
    match steps.split_first() {
        None => value.clone(),
        Some((Step::Key(key), rest)) => Plain::Map(vec![(key.clone(), build(rest, value))]),
        Some((Step::Index(_), rest)) => Plain::List(vec![build(rest, value)]),
    }
}

fn put_in_place(
    format: Format,
    text: &str,
    node: &Node,
    new: &Plain,
    path: &KeyPath,
    edits: &mut Edits,
) -> Result<()> {
    if !matches!(node.kind, ValueKind::Leaf(_)) {
        let what = if matches!(node.kind, ValueKind::Map(_)) { "map" } else { "list" };
        return Err(Problem::new(format!(
            "`{path}` is a {what}, and a single value would replace all of it"
        ))
        .with_hint("name a value in it, or change it with `secrets edit`"));
    }
    let rendered = match (new, format) {
        (Plain::Value(value), _) => format.render(text, value, node)?,
        (_, Format::Yaml) => yaml::flow(new),
        (_, Format::Json) => new.to_json().to_string(),
        _ => return Err(Problem::new("this format cannot hold lists or maps below a key")),
    };
    // A null of YAML may have no text at all, between braces not even a colon.
    let before = if !node.span.is_empty() {
        ""
    } else if text[..node.span.start].ends_with([':', '-']) {
        " "
    } else {
        ": "
    };
    edits.replace(node.span.clone(), format!("{before}{rendered}"));
    Ok(())
}
