//! How a target differs from the result of its action. Does not know what is done about it.

use std::cell::RefCell;
use std::collections::HashMap;

use super::Directories;
use crate::platform::{self, Seen};

/// In what a target differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// The link leads elsewhere.
    Link,
    /// The content of the file.
    Content,
    /// Declared keys of it.
    Keys,
    /// Its permissions.
    Mode,
    /// Its owner.
    Owner,
    /// Its group.
    Group,
}

/// A target, compared with the result of its action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It is as it should be.
    None,
    /// Missing.
    Missing,
    /// Something of another kind does.
    Replaced,
    /// It differs in these.
    Changed(Vec<Aspect>),
}

/// What it takes to look at targets.
#[derive(Clone, Copy, Debug)]
pub struct Observer<'a> {
    /// The directories that are open.
    pub directories: &'a Directories,
    /// The accounts that are known.
    pub accounts: &'a Accounts,
}

/// Numbers of users and groups by name, each looked up once.
#[derive(Debug, Default)]
pub struct Accounts {
    users: RefCell<HashMap<String, Option<u32>>>,
    groups: RefCell<HashMap<String, Option<u32>>>,
}

impl Accounts {
    /// Returns which of the declared owner and group differ. A removed account has no number, so it
    /// is not compared.
    pub fn differ(
        &self,
        owner: Option<&String>,
        group: Option<&String>,
        seen: &Seen,
    ) -> Vec<Aspect> {
        let differs =
            |number: Option<u32>, actual: u32| number.is_some_and(|number| number != actual);
        let owner = owner.and_then(|name| find(&self.users, name, platform::user_named));
        let group = group.and_then(|name| find(&self.groups, name, platform::group_number));
        let aspects = [
            (differs(owner, seen.owner), Aspect::Owner),
            (differs(group, seen.group), Aspect::Group),
        ];
        aspects.into_iter().filter(|(differs, _)| *differs).map(|(_, aspect)| aspect).collect()
    }
}

fn find(
    known: &RefCell<HashMap<String, Option<u32>>>,
    name: &str,
    observe: impl Fn(&str) -> Option<u32>,
) -> Option<u32> {
    if let Some(number) = known.borrow().get(name) {
        return *number;
    }
    let number = observe(name);
    known.borrow_mut().insert(name.to_owned(), number);
    number
}
