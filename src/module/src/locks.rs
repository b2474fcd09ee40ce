//! The lock of the evaluated config, and what is to be written later.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use mlua::prelude::*;
use syslua_engine::failure::Failure;
use syslua_engine::inputs::{Change, Changes, LockFile, Once, ToolChange, Written};
use syslua_engine::lock::{LockedInput, LockedTool};
use syslua_engine::pins::{PinChange, Pins};
use syslua_engine::platform;

use crate::error::{Answer, absolute_path};

/// The lock of the config that is evaluated.
pub struct LockSession {
    pub file: LockFile,
    /// The wanted result.
    pub inputs: BTreeMap<String, LockedInput>,
    /// The tools that it is to have too.
    pub tools: BTreeMap<String, LockedTool>,
    /// Whether nothing may be added.
    pub is_frozen: bool,
    /// Whether the config is restored from a copy, whose lock is not written.
    pub is_restored: bool,
    /// Inputs that were to move, and could not be looked up: they stay as they are locked.
    pub failures: Vec<(String, Failure)>,
    /// What this evaluation fetched.
    pub once: Arc<Once>,
}

impl LockSession {
    /// Returns what a tool is locked to.
    pub fn tool(&self, key: &str) -> Option<&LockedTool> {
        self.tools.get(key).or_else(|| self.file.lock.tools.get(key))
    }

    /// Notes what was to move, and could not be looked up.
    pub fn add_failures(&mut self, failures: Vec<(String, Failure)>) {
        self.failures.extend(failures);
    }

    /// Notes what a tool is to be locked to.
    pub fn set_tool(&mut self, key: String, tool: LockedTool) {
        self.tools.insert(key, tool);
    }
}

/// The lock of a config that was evaluated, and what is to be written into it.
#[derive(Clone)]
pub struct PendingLock {
    /// The lock as it was read.
    pub file: LockFile,
    /// What happens to inputs.
    pub changes: Vec<Change>,
    /// What happens to tools.
    pub tools: Vec<ToolChange>,
    /// Grows while builds fetch.
    pub pins: Arc<Pins>,
    /// Pins that move or go since that was asked for.
    pub moved: Vec<PinChange>,
    /// What was to move, and could not be looked up: the name and why.
    pub failures: Vec<(String, Failure)>,
    /// What was written.
    pub written: Written,
}

impl PendingLock {
    /// Returns all changes of pins.
    pub fn pin_changes(&self) -> Vec<PinChange> {
        [self.pins.changes(), self.moved.clone()].concat()
    }
}

impl PendingLock {
    /// Returns whether nothing happens but that pins are used by more builds.
    pub fn is_of_uses(&self) -> bool {
        self.changes.is_empty()
            && self.tools.is_empty()
            && self.pin_changes().iter().all(PinChange::is_of_platforms)
    }

    pub fn changes<'a>(&'a self, pins: &'a [PinChange]) -> Changes<'a> {
        Changes { inputs: &self.changes, tools: &self.tools, pins }
    }
}

/// Returns the path of a config as evaluations have it.
///
/// # Errors
/// When it cannot be made absolute.
pub fn config_path(config: &LuaString) -> Answer<PathBuf> {
    absolute_path(&platform::path_from_bytes(&config.as_bytes()), "the path of the config")
}
