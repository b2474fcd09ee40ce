//! Working with another user's rights: in a user's home, root acts as that user, so it can be led
//! nowhere where the user could not write anyway.

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::CString;

    use nix::unistd::{Gid, Uid, User, getgrouplist, setfsgid, setfsuid};
    use rustix::thread::set_thread_groups;

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
            let entry = User::from_uid(Uid::from_raw(user)).ok().flatten();
            let group = entry.as_ref().map_or(user, |entry| entry.gid.as_raw());
            let name = entry.and_then(|entry| CString::new(entry.name).ok());
            let groups = name.and_then(|name| getgrouplist(&name, Gid::from_raw(group)).ok());
            let groups = groups
                .map_or_else(Vec::new, |groups| groups.into_iter().map(Gid::as_raw).collect());
            Actor { user, group, groups }
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
            let own = rustix::process::getgroups().unwrap_or_default();
            let groups: Vec<_> =
                actor.groups.iter().map(|group| rustix::process::Gid::from_raw(*group)).collect();
            let guard = Guard { own };
            // Root may always do this; if it fails, the user's number alone limits the process
            // already.
            let _ = set_thread_groups(&groups);
            setfsgid(Gid::from_raw(actor.group));
            setfsuid(Uid::from_raw(actor.user));
            let result = run();
            drop(guard);
            result
        }
    }

    struct Guard {
        own: Vec<rustix::process::Gid>,
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            setfsuid(nix::unistd::geteuid());
            setfsgid(nix::unistd::getegid());
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

/// Returns the number of a user, given as a name or number.
#[cfg(unix)]
pub fn user_named(name: &str) -> Option<u32> {
    let entry = nix::unistd::User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
    entry.or_else(|| name.parse().ok())
}

/// Returns what a user is called: by name, or by number where there is no name.
#[cfg(unix)]
pub fn user_name(number: u32) -> String {
    let entry = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(number)).ok().flatten();
    entry.map_or_else(|| format!("the user {number}"), |user| user.name)
}

/// Returns the number of a group, given as a name or number.
#[cfg(unix)]
pub fn group_number(name: &str) -> Option<u32> {
    let entry = nix::unistd::Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw());
    entry.or_else(|| name.parse().ok())
}

/// Users have no numbers here.
#[cfg(not(unix))]
pub fn user_named(_name: &str) -> Option<u32> {
    None
}

/// Users have no numbers here.
#[cfg(not(unix))]
pub fn user_name(number: u32) -> String {
    format!("the user {number}")
}

/// Groups have no numbers here.
#[cfg(not(unix))]
pub fn group_number(_name: &str) -> Option<u32> {
    None
}
