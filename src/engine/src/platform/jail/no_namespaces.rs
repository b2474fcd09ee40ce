//! Systems on which no namespaces are made.

use std::io;

use super::{Rules, Support};

/// Why a jail cannot be made.
#[derive(Debug)]
pub struct Refused {
    /// The operation.
    pub step: String,
    /// Why it failed.
    pub cause: io::Error,
}

/// There is none.
pub enum Keeper {}

/// There is none.
pub enum View {}

/// There is none.
pub enum Step {}

/// There is none.
pub enum Template {}

impl Keeper {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn new(_network: bool, _template: Template) -> Result<Keeper, Refused> {
        Err(Refused { step: "namespaces".to_owned(), cause: io::ErrorKind::Unsupported.into() })
    }

    /// Cannot be called.
    pub fn has_jail(&self) -> bool {
        match *self {}
    }

    /// Cannot be called.
    pub fn is_ready(&self) -> bool {
        match *self {}
    }

    /// Cannot be called.
    pub fn is_alive(&self) -> bool {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// Never.
    pub fn begin(&mut self, _view: View) -> Result<(), Refused> {
        match *self {}
    }

    /// Cannot be called.
    #[cfg(target_os = "linux")]
    ///
    /// # Errors
    /// Never.
    pub fn run(
        &mut self,
        _steps: &[Step],
        _start: &crate::platform::process::Start<'_>,
    ) -> io::Result<std::os::fd::OwnedFd> {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// Never.
    pub fn stop(&self) -> io::Result<()> {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// Never.
    pub fn wait(&self) -> io::Result<i32> {
        match *self {}
    }

    /// Cannot be called.
    pub fn settle(&mut self) {
        match *self {}
    }

    /// Cannot be called.
    pub fn end(&mut self) {
        match *self {}
    }
}

/// There is nothing to see.
pub struct Machine(());

impl Machine {
    /// Looks at nothing.
    ///
    /// # Errors
    /// Never.
    pub fn observe() -> io::Result<Machine> {
        Ok(Machine(()))
    }

    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn view(&self, _rules: &Rules, _support: Support) -> io::Result<View> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn template(&self, _rules: &Rules) -> io::Result<Template> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn steps_for(&self, _rules: &Rules) -> io::Result<Vec<Step>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Refuses.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn start_in_jail<'k>(
    _command: &mut std::process::Command,
    _has_input: bool,
    _keeper: &'k mut Keeper,
    _steps: &[Step],
) -> io::Result<super::super::process::Program<'k>> {
    Err(io::ErrorKind::Unsupported.into())
}
