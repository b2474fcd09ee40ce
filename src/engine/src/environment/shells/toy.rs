//! A shell for tests: one file and one line in the list, and everything that goes by the list knows
//! it.

use std::path::PathBuf;

use super::common::{self, Words};
use super::{Identity, Places, ScriptPath, Shell};
use crate::environment::Environment;

/// A shell that does not exist.
pub struct Toy;

impl Words for Toy {
    fn quote(&self, text: &[u8]) -> Result<Vec<u8>, &'static str> {
        if text.contains(&b'|') {
            Err("it has a bar")
        } else {
            Ok([b"|".as_slice(), text, b"|"].concat())
        }
    }

    fn reference(&self, name: &str) -> Vec<u8> {
        format!("<{name}>").into_bytes()
    }
}

impl Shell for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn file(&self) -> &'static str {
        "env.toy"
    }

    fn profile(&self, places: &Places<'_>) -> Option<PathBuf> {
        Some(places.home.join(".toyrc"))
    }

    fn source_line(&self, scripts: &[ScriptPath]) -> String {
        format!("read {scripts:?}")
    }

    fn render(&self, environment: &Environment, identity: &Identity<'_>) -> Vec<u8> {
        let (lines, _) = common::lines(self, environment);
        common::script(identity, &identity.stamp(environment), "", &[&lines])
    }
}
