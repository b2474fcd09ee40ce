//! The traits of action kinds: what every kind implements, and what the kinds of each group add.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::change::After;
use super::drift::{Aspect, Drift, Observer};
use super::{Error, Merge, Observed};
use crate::hash::Hash;
use crate::platform::{Result, Seen};
use crate::settings::{Events, Interrupt};
use crate::value::Text;
use crate::variable::Template;

/// What every kind of action knows of itself.
pub trait Kind {
    /// Returns every text that may hold placeholders.
    fn texts(&self) -> Vec<&Text>;

    /// Returns the same, to be changed.
    fn texts_mut(&mut self) -> Vec<&mut Text>;

    /// Returns the texts that may begin with `~/`.
    fn starts_mut(&mut self) -> Vec<&mut Text> {
        self.texts_mut()
    }
}

/// The declared attributes of a target, besides its content, for reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Properties<'a> {
    /// Permission bits in octal.
    pub mode: Option<&'a String>,
    /// The owner, a name or number.
    pub owner: Option<&'a String>,
    /// The group, a name or number.
    pub group: Option<&'a String>,
    /// Whether it is the user's to change.
    pub mutable: bool,
}

/// An action that puts something at a target.
pub trait TargetKind: Kind {
    /// Returns where; `~/` is the user's home.
    fn target(&self) -> &Text;

    /// Returns the kind of its content in one word.
    fn noun(&self) -> &'static str;

    /// Describes its content in words that distinguish it from others.
    fn in_words(&self) -> String;

    /// Returns a key that is equal for actions with equal content, whatever their targets.
    fn content(&self) -> Vec<u8>;

    /// Returns a value that is equal for two actions if one continues the other and the target is
    /// right.
    fn state(&self) -> Vec<u8>;

    /// Returns the wanted state of the place. `mark` gives the text that identifies the root to
    /// others.
    ///
    /// # Errors
    /// When it names a mode or an account that there is not.
    fn after(&self, mark: &dyn Fn() -> Text) -> std::result::Result<After, Error>;

    /// Compares the file at the place with the result of the action.
    ///
    /// # Errors
    /// When its content cannot be read.
    fn drift(&self, observer: Observer<'_>, place: &Path, found: &Observed) -> Result<Drift>;

    /// Returns whether the file has the content that the action wrote: then it can be written
    /// again.
    ///
    /// # Errors
    /// When its content cannot be read.
    fn has_written(&self, observer: Observer<'_>, place: &Path, found: &Observed) -> Result<bool>;

    /// Returns whether the place certainly has the result of the action.
    ///
    /// # Errors
    /// When the system does not tell.
    fn is_in_place(&self, observer: Observer<'_>, place: &Path) -> Result<bool> {
        let found = super::observe(observer.directories, place)?;
        self.has_result(observer, place, &found)
    }

    /// Returns whether the file is the result of the action.
    ///
    /// # Errors
    /// When it cannot be read for another reason than permissions.
    fn has_result(&self, observer: Observer<'_>, place: &Path, found: &Observed) -> Result<bool> {
        match self.drift(observer, place, found) {
            // What may not be read is moved away unread.
            Err(error) if error.is_denied() => Ok(false),
            drift => Ok(drift? == Drift::None),
        }
    }

    /// Returns which permissions of the existing file differ from the declaration.
    fn rights(&self, _look: Observer<'_>, _seen: &Seen) -> Vec<Aspect> {
        Vec::new()
    }

    /// Returns whether it belongs to the user from its creation on, whatever the declaration does
    /// later.
    fn is_given(&self) -> bool {
        false
    }

    /// Returns whether other targets may be below it.
    fn keeps_below(&self) -> bool {
        false
    }

    /// Returns whether it is there only since targets below it need it.
    fn is_implied(&self) -> bool {
        false
    }

    /// Returns whether it stands for others that are not known yet.
    fn is_pending(&self) -> bool {
        false
    }

    /// Returns the directory of the user's whose files are declared one by one, if it is one of
    /// these.
    fn tree(&self) -> Option<&Text> {
        None
    }

    /// Returns what the target has the content of, if that is something.
    fn source(&self) -> Option<&Text> {
        None
    }

    /// Describes its content for users, next to its target.
    fn detail(&self) -> Text {
        self.source().cloned().unwrap_or_default()
    }

    /// Returns its declared attributes.
    fn properties(&self) -> Properties<'_> {
        Properties::default()
    }

    /// Returns the keys that it sets in a file of a program, if it is such a kind.
    fn merge(&self) -> Option<&Merge> {
        None
    }

    /// Returns the destination of a link of sys.lua.
    fn leads_to(&self) -> Option<&Text> {
        None
    }

    /// Returns the text of a link of sys.lua, which may lead there through another link.
    fn link_text(&self) -> Option<&Text> {
        None
    }

    /// Completes what a link says, once it is known where it leads: `objects` is the directory of
    /// all objects, and `ways` that of the links of the root's to trees.
    fn complete(&mut self, _objects: &[u8], _ways: &[u8]) {}

    /// Sets the destination of a link.
    fn lead_straight(&mut self) {}

    /// Returns the file whose digest belongs to the action, and that digest as far as it is known.
    fn digest(&self) -> Option<(&Text, Option<Hash>)> {
        None
    }

    /// Returns whether that file can be run, as far as that is recorded.
    fn is_executable(&self) -> Option<bool> {
        None
    }

    /// Sets the digest of that file, and whether it can be run.
    fn set_digest(&mut self, _digest: Hash, _executable: bool) {}
}

/// What an action adds to the environment of shells.
#[derive(Clone, Debug)]
pub enum Addition<'a> {
    /// The value of a variable.
    Single(&'a str, &'a Template),
    /// Entries of a variable, and their separator.
    Entries(&'a str, &'a str, Vec<Template>),
    /// A short name for a command, and the command.
    Alias(&'a str, &'a Text),
    /// A function, and its texts by the names of shells.
    Function(&'a str, &'a BTreeMap<String, Text>),
    /// A script, and the names of the shells that source it.
    Script(&'a Text, &'a [String]),
}

/// An action that is part of the environment of shells.
pub trait EnvironmentKind: Kind {
    /// Returns its subject; equal for an action and its replacement.
    fn subject(&self) -> Vec<u8>;

    /// Returns the name of the variable, if it is about one.
    fn name(&self) -> Option<&str>;

    /// Returns its value, for people.
    fn detail(&self) -> Text;

    /// Describes what it adds.
    fn addition(&self) -> Addition<'_>;
}

/// With what an effect is performed.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    /// What `~` stands for.
    pub home: &'a Path,
    /// The user that it is done as, when that is another one.
    pub user: Option<&'a str>,
    /// The scripts of the environment that is in force, in the order in which they are read.
    pub environment: Vec<PathBuf>,
    /// A file that exists during the switch: programs inherit it as a mark, by which they are known
    /// to run inside.
    pub journal: PathBuf,
    /// The variables of this process that another user may see.
    pub shared: &'a [(OsString, OsString)],
    /// Ends it when it is set; without one it comes to its end.
    pub interrupt: Option<&'a Interrupt>,
    /// Takes what it prints.
    pub events: &'a Events,
}

/// Which way an effect goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It is done.
    Do,
    /// It is undone.
    Undo,
}

impl Direction {
    /// Returns the direction, as journals and reports write it.
    pub fn of_undo(is_undo: bool) -> Direction {
        if is_undo { Direction::Undo } else { Direction::Do }
    }

    /// Returns whether it is undone.
    pub fn is_undo(self) -> bool {
        self == Direction::Undo
    }

    /// Returns the way back.
    #[must_use]
    pub fn reversed(self) -> Direction {
        Direction::of_undo(!self.is_undo())
    }
}

/// An action with another effect, which may know how to undo it.
pub trait EffectKind: Kind {
    /// Returns a key that is equal for effects that count as one.
    fn key(&self) -> Vec<u8>;

    /// Describes the command, or its undo, for users.
    fn describe(&self, direction: Direction) -> String;

    /// Returns whether it can be undone.
    fn has_undo(&self) -> bool;

    /// Returns whether it is done at each apply.
    fn is_always(&self) -> bool;

    /// Returns whether it is done before files change.
    fn is_before(&self) -> bool;

    /// Returns whether it is done only when something changes that it is about.
    fn is_only_on_change(&self) -> bool;

    /// Returns its triggers: objects, sources by their hash, and targets. It runs again when one of
    /// them changes.
    fn on_change(&self) -> &[Text];

    /// Merges another declaration of the same effect.
    fn absorb(&mut self, other: &dyn EffectKind);

    /// Does it, or undoes it.
    ///
    /// # Errors
    /// When it fails, or on an interrupt.
    fn perform(
        &self,
        direction: Direction,
        surroundings: &Surroundings<'_>,
    ) -> std::result::Result<(), Error>;
}
