//! Metadata in formats that have no nesting: `age__list_0__map_enc=...`, with `\n` for the end of a
//! line.

use crate::plain::Plain;
use crate::problem::{Problem, Result};
use crate::value::Value;

const MAP: &str = "__map_";
const LIST: &str = "__list_";

/// Makes one map of names and texts.
///
/// # Errors
/// When two names contradict each other.
pub(crate) fn unflatten(pairs: &[(String, String)]) -> Result<Plain> {
    let mut root = Plain::Map(Vec::new());
    for (name, text) in pairs {
        let steps = split(name);
        put(&mut root, &steps, text.replace("\\n", "\n")).ok_or_else(|| {
            Problem::new(format!("its metadata has the unexpected name `{name}`"))
        })?;
    }
    Ok(root)
}

/// Makes names and texts of a map, in order.
pub(crate) fn flatten(content: &Plain) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    if let Plain::Map(entries) = content {
        for (key, value) in entries {
            add(key.clone(), value, &mut pairs);
        }
    }
    pairs
}

fn add(name: String, value: &Plain, pairs: &mut Vec<(String, String)>) {
    match value {
        Plain::Value(Value::Null) => {}
        Plain::Value(value) => {
            let text = String::from_utf8_lossy(&value.to_content()).replace('\n', "\\n");
            pairs.push((name, text));
        }
        Plain::List(items) => {
            for (index, item) in items.iter().enumerate() {
                add(format!("{name}{LIST}{index}"), item, pairs);
            }
        }
        Plain::Map(entries) => {
            for (key, value) in entries {
                add(format!("{name}{MAP}{key}"), value, pairs);
            }
        }
    }
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn split(name: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let (mut rest, mut is_list) = (name, false);
    loop {
        let map = rest.find(MAP).unwrap_or(rest.len());
        let list = rest.find(LIST).unwrap_or(rest.len());
        let end = map.min(list);
        let word = &rest[..end];
        steps.push(match word.parse() {
            Ok(index) if is_list => Step::Index(index),
            _ => Step::Key(word),
        });
        if end == rest.len() {
            return steps;
        }
        is_list = list < map;
        rest = &rest[end + if is_list { LIST.len() } else { MAP.len() }..];
    }
}

fn put(into: &mut Plain, steps: &[Step<'_>], text: String) -> Option<()> {
    let (step, rest) = steps.split_first()?;
    let next = match rest.first() {
        None => Plain::text(text.clone()),
        Some(Step::Key(_)) => Plain::Map(Vec::new()),
        Some(Step::Index(_)) => Plain::List(Vec::new()),
    };
    let place = match (step, into) {
        (Step::Key(key), Plain::Map(entries)) => {
            let at = match entries.iter().position(|(name, _)| name == key) {
                Some(at) => at,
                None => {
                    entries.push(((*key).to_owned(), next));
                    entries.len() - 1
                }
            };
            &mut entries[at].1
        }
        (Step::Index(index), Plain::List(items)) if *index < 1000 => {
            while items.len() <= *index {
                items.push(Plain::Value(Value::Null));
            }
            if items[*index] == Plain::Value(Value::Null) {
                items[*index] = next;
            }
            &mut items[*index]
        }
        _ => return None,
    };
    if rest.is_empty() {
        *place = Plain::text(text);
        return Some(());
    }
    put(place, rest, text)
}

#[cfg(test)]
mod tests {
    use super::{flatten, unflatten};

    #[test]
    fn names_come_back() {
        let pairs: Vec<(String, String)> = [
            ("age__list_0__map_enc", "a\\nb"),
            ("age__list_0__map_recipient", "r"),
            ("age__list_1__map_enc", "c"),
            ("mac", "m"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .to_vec();
        assert_eq!(flatten(&unflatten(&pairs).expect("it fits")), pairs);
    }

    #[test]
    fn contradictions_are_refused() {
        for names in [["a", "a__map_b"], ["a__list_0", "a__map_b"], ["a__list_99999999", "b"]] {
            let pairs: Vec<_> =
                names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
            assert!(unflatten(&pairs).is_err(), "{names:?}");
        }
    }
}
