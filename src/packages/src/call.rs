//! What a program is asked: its arguments and variables, as data.

/// A program that is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The program, which is looked up in `PATH`.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables that it gets besides those of the caller. Without them programs answer in the
    /// user's language, or ask questions.
    pub variables: &'static [(&'static str, &'static str)],
    /// The exit codes that mean that its answer counts.
    pub accepts: &'static [i32],
}

impl Call {
    /// Makes a call whose answer counts when the program succeeds.
    pub fn new(program: &'static str, arguments: &[&str]) -> Call {
        Call {
            program,
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            variables: &[("LC_ALL", "C.UTF-8")],
            accepts: &[0],
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn with(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Call {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Returns the call as a person would type it.
    pub fn display(&self) -> String {
        let mut words = vec![self.program];
        words.extend(self.arguments.iter().map(String::as_str));
        words.join(" ")
    }
}
