//! The formats of documents, and what differs between them.

use std::ops::Range;
use std::path::Path;

use crate::metadata::Metadata;
use crate::options::KEY;
use crate::plain::Plain;
use crate::problem::Result;
use crate::tree::{Comment, Node};
use crate::value::Value;
use crate::{dotenv, ini, json, json_text, yaml};

/// The format of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML, also with several documents.
    Yaml,
    /// JSON.
    Json,
    /// Lines of `NAME=value`.
    Dotenv,
    /// Sections of keys.
    Ini,
    /// Anything as one value, which SOPS wraps into JSON.
    Binary,
}

/// A text that was read.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// One map, or in YAML one for each document.
    pub roots: Vec<Node>,
    /// The metadata, when it is an encrypted document.
    pub metadata: Option<Plain>,
}

impl Format {
    /// The format of a file by the end of its name, as SOPS chooses it.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            Some("ini") => Self::Ini,
            Some("env") => Self::Dotenv,
            _ if path.file_name().is_some_and(|name| name == ".env") => Self::Dotenv,
            _ => Self::Binary,
        }
    }

    /// Its name: `yaml`, `json`, `dotenv`, `ini` or `binary`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Dotenv => "dotenv",
            Self::Ini => "ini",
            Self::Binary => "binary",
        }
    }

    pub(crate) fn parse(self, text: &str) -> Result<Parsed> {
        let (roots, metadata) = match self {
            Self::Yaml => {
                let roots = yaml::read(text)?;
                let metadata = roots.first().and_then(|root| root.get(KEY));
                let metadata = metadata.map(|entry| entry.node.to_plain());
                (roots, metadata)
            }
            Self::Json | Self::Binary => {
                let root = json::read(text)?;
                let metadata = root.get(KEY).map(|entry| entry.node.to_plain());
                (vec![root], metadata)
            }
            Self::Dotenv => {
                let (root, metadata) = dotenv::read(text)?;
                (vec![root], metadata)
            }
            Self::Ini => {
                let (root, metadata) = ini::read(text)?;
                (vec![root], metadata)
            }
        };
        Ok(Parsed { roots, metadata })
    }

    /// The key at the top that is not data.
    pub(crate) fn skipped(self) -> Option<&'static str> {
        // In dotenv the metadata are lines of their own, which `read` takes apart.
        (self != Self::Dotenv).then_some(KEY)
    }

    /// How a value is written in the place of a node of a text.
    pub(crate) fn render(self, text: &str, value: &Value, place: &Node) -> Result<String> {
        match self {
            Self::Yaml => Ok(yaml::render(text, value, place)),
            Self::Json | Self::Binary => {
                let mut out = String::new();
                json_text::write_value(value, &mut out);
                Ok(out)
            }
            Self::Dotenv => dotenv::render(value),
            Self::Ini => ini::render(value),
        }
    }

    /// The change that gives a comment another text.
    pub(crate) fn render_comment(self, comment: &Comment, text: &str) -> (Range<usize>, String) {
        match self {
            Self::Yaml => yaml::render_comment(comment, text),
            Self::Ini => ini::render_comment(comment, text),
            _ => (comment.span.clone(), text.to_owned()),
        }
    }

    /// The text with other metadata, or with none.
    pub(crate) fn with_metadata(self, text: &str, metadata: Option<&Metadata>) -> Result<String> {
        let content = metadata.map(Metadata::content);
        match self {
            Self::Yaml => yaml::with_metadata(text, content),
            Self::Json | Self::Binary => json::with_metadata(text, content),
            Self::Dotenv => Ok(dotenv::with_metadata(text, content)),
            Self::Ini => ini::with_metadata(text, content),
        }
    }

    /// The text of a document without data.
    pub(crate) fn empty(self) -> &'static str {
        match self {
            Self::Json => "{}\n",
            Self::Binary => "{\n\t\"data\": \"\"\n}\n",
            Self::Yaml | Self::Dotenv | Self::Ini => "",
        }
    }
}
