//! Working with another user's rights: in a user's home, root acts as that user, so it can be led
//! nowhere where the user could not write anyway.

#[cfg(target_os = "linux")]
mod linux {
    use rustix::process::{Gid, getegid, geteuid, getgroups};
    use rustix::thread::set_thread_groups;

    use crate::platform::Account;

    /// A user whose rights to files this process takes on for a while.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Actor {
        user: u32,
        group: u32,
        groups: Vec<u32>,
    }

    impl Actor {
        /// Returns the user of a number; a number without an entry has no groups either.
        pub fn of(user: u32) -> Actor {
            let Some(account) = Account::by_number(user).ok().flatten() else {
                return Actor::alone(user);
            };
            let groups = account.groups().unwrap_or_default();
            Actor { user, group: account.group, groups }
        }

        /// Returns a user that has only a group of the same number.
        pub fn alone(user: u32) -> Actor {
            Actor { user, group: user, groups: Vec::new() }
        }

        /// Returns the user's number.
        pub fn number(&self) -> u32 {
            self.user
        }

        /// Runs something with the user's rights to files, on this thread only (setfsuid(2)).
        pub fn act<T>(actor: Option<&Actor>, run: impl FnOnce() -> T) -> T {
            let Some(actor) = actor else { return run() };
            let own = getgroups().unwrap_or_default();
            let groups: Vec<_> = actor.groups.iter().map(|group| Gid::from_raw(*group)).collect();
            let guard = Guard { own };
            // Root may always do this; if it fails, the user's number alone limits the process
            // already.
            let _ = set_thread_groups(&groups);
            set_file_rights(actor.user, actor.group);
            let result = run();
            drop(guard);
            result
        }
    }

    /// Sets the user and the group by whose rights this thread uses files.
    fn set_file_rights(user: u32, group: u32) {
        // SAFETY: both take a number, and change this thread only. A refusal has no effect.
        unsafe {
            libc::setfsgid(group);
            libc::setfsuid(user);
        }
    }

    struct Guard {
        own: Vec<Gid>,
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            set_file_rights(geteuid().as_raw(), getegid().as_raw());
            let _ = set_thread_groups(&self.own);
        }
    }
}

#[cfg(target_os = "linux")]
pub use linux::Actor;

#[cfg(not(target_os = "linux"))]
mod other {
    /// A user whose rights this process takes on; this system has no such thing for one thread.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Actor {
        user: u32,
    }

    impl Actor {
        /// Returns the user of a number.
        pub fn of(user: u32) -> Actor {
            Actor { user }
        }

        /// Returns the user of a number.
        pub fn alone(user: u32) -> Actor {
            Actor { user }
        }

        /// Returns the user's number.
        pub fn number(&self) -> u32 {
            self.user
        }

        /// Runs a function with this process's own rights.
        pub fn act<T>(_actor: Option<&Actor>, run: impl FnOnce() -> T) -> T {
            run()
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub use other::Actor;
