//! Writes a lock: one line per entry, in the order of the keys.

use serde::Serialize;
use serde_json::Value as Json;

use super::{LockDocument, VERSION};

/// The section of inputs.
const INPUTS: &str = "inputs";

/// The section of tools.
const TOOLS: &str = "tools";

/// The section of pins.
const FETCHES: &str = "fetches";

impl LockDocument {
    /// Returns the text of the file.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = format!("{{\n  \"version\": {VERSION}");
        let inputs = self.inputs.iter().map(|(key, input)| (key.as_str(), spaced(&json(input))));
        add_section(&mut text, INPUTS, &inputs.collect::<Vec<_>>());
        if !self.fetches.is_empty() {
            let pins = self.fetches.iter().map(|(key, pin)| (key.as_str(), spaced(&json(pin))));
            add_section(&mut text, FETCHES, &pins.collect::<Vec<_>>());
        }
        if !self.tools.is_empty() {
            let tools = self.tools.iter().map(|(key, tool)| (key.as_str(), spaced(&json(tool))));
            add_section(&mut text, TOOLS, &tools.collect::<Vec<_>>());
        }
        for (name, section) in &self.others {
            match section {
                Json::Object(entries) => {
                    let entries = entries.iter().map(|(key, entry)| (key.as_str(), spaced(entry)));
                    add_section(&mut text, name, &entries.collect::<Vec<_>>());
                }
                other => text.push_str(&format!(",\n  {}: {}", json(&name), spaced(other))),
            }
        }
        text.push_str("\n}\n");
        text.into_bytes()
    }
}

/// Returns plain data as JSON.
fn json(value: &impl Serialize) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

/// Adds a section with one line for each entry.
fn add_section(text: &mut String, name: &str, entries: &[(&str, String)]) {
    text.push_str(&format!(",\n  {}: {{", json(&name)));
    for (index, (key, entry)) in entries.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&format!("    {}: {entry}", json(key)));
    }
    text.push_str(if entries.is_empty() { "}" } else { "\n  }" });
}

/// Returns JSON on one line, with a space after each comma and colon.
fn spaced(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", "))
        }
        Json::Object(map) if map.is_empty() => "{}".to_owned(),
        Json::Object(map) => {
            let entries =
                map.iter().map(|(key, value)| format!("{}: {}", json(key), spaced(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
