//! A process that leaves no core, and whose memory no other process of the user reads, as long as
//! something is there: for as long as secrets are in it.

/// As long as it is there, this process is not dumpable. Where the system knows no such thing,
/// nothing is changed.
#[derive(Debug)]
pub struct NoCore {
    #[cfg(target_os = "linux")]
    before: Option<rustix::process::DumpableBehavior>,
}

#[cfg(target_os = "linux")]
impl NoCore {
    /// Begins it.
    pub fn begin() -> NoCore {
        use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};
        let before = dumpable_behavior().ok();
        let set = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        NoCore { before: before.filter(|_| set.is_ok()) }
    }
}

#[cfg(target_os = "linux")]
impl Drop for NoCore {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // It was so a moment ago.
            let _ = rustix::process::set_dumpable_behavior(before);
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl NoCore {
    /// Begins it.
    pub fn begin() -> NoCore {
        NoCore {}
    }
}
