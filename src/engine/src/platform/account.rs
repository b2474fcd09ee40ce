//! Accounts of this machine: users and groups, by name and by number.

use std::io;
use std::path::PathBuf;

/// An account of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number; 0 where the system has none.
    pub number: u32,
    /// The number of its group.
    pub group: u32,
    /// Its name.
    pub name: String,
    /// Its home directory, where the system tells.
    pub home: Option<PathBuf>,
    /// Its login shell, where the system tells.
    pub shell: Option<PathBuf>,
}

impl Account {
    /// Returns the account of a name, or that of who runs this.
    ///
    /// # Errors
    /// When there is none.
    #[cfg(unix)]
    pub fn of(name: Option<&str>) -> io::Result<Account> {
        let number = super::user_number();
        let account = match name {
            Some(name) => Account::by_name(name)?,
            None => Account::by_number(number)?,
        };
        account.ok_or_else(|| {
            let shown = name.map_or_else(|| format!("number {number}"), str::to_owned);
            io::Error::new(io::ErrorKind::NotFound, format!("there is no user {shown}"))
        })
    }

    /// Returns an account with its name only.
    ///
    /// # Errors
    /// Never.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub fn of(name: Option<&str>) -> io::Result<Account> {
        let name = name.unwrap_or_default().to_owned();
        Ok(Account { number: 0, group: 0, name, home: None, shell: None })
    }
}

#[cfg(unix)]
mod unix {
    use std::ffi::{CStr, CString, OsStr, c_char, c_int};
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;
    use std::ptr;

    use super::Account;

    /// Entries of directory services can be long, but not this long.
    const LARGEST: usize = 1 << 20;

    /// Looks up a user or group. `get` is one of the functions of getpwnam_r(3); `read` copies what
    /// is needed of the record, which points into the buffer.
    fn entry<R, T>(
        get: impl Fn(*mut R, *mut c_char, usize, *mut *mut R) -> c_int,
        read: impl FnOnce(&R) -> T,
    ) -> io::Result<Option<T>> {
        let mut buffer: Vec<c_char> = vec![0; 1024];
        loop {
            let mut record = MaybeUninit::<R>::zeroed();
            let mut result = ptr::null_mut();
            match get(record.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut result) {
                // SAFETY: null, or the record, which the call filled.
                0 => return Ok(unsafe { result.as_ref() }.map(read)),
                libc::EINTR => {}
                libc::ERANGE if buffer.len() < LARGEST => buffer.resize(buffer.len() * 2, 0),
                // Some systems report an absent entry this way.
                libc::ENOENT | libc::ESRCH => return Ok(None),
                error => return Err(io::Error::from_raw_os_error(error)),
            }
        }
    }

    fn read_account(record: &libc::passwd) -> Account {
        // SAFETY: the fields of a record are strings, which live as long as it does.
        let text = |field: *const c_char| unsafe { CStr::from_ptr(field) };
        let path = |field| PathBuf::from(OsStr::from_bytes(text(field).to_bytes()));
        Account {
            number: record.pw_uid,
            group: record.pw_gid,
            name: text(record.pw_name).to_string_lossy().into_owned(),
            home: Some(path(record.pw_dir)),
            shell: Some(path(record.pw_shell)),
        }
    }

    impl Account {
        /// Returns the account of a name, if there is one.
        ///
        /// # Errors
        /// When the system cannot look it up.
        pub fn by_name(name: &str) -> io::Result<Option<Account>> {
            let name = CString::new(name)?;
            // SAFETY: the name ends with a zero; the rest is what `entry` passes.
            let get = |record, buffer, size, result| unsafe {
                libc::getpwnam_r(name.as_ptr(), record, buffer, size, result)
            };
            entry(get, read_account)
        }

        /// Returns the account of a number, if there is one.
        ///
        /// # Errors
        /// When the system cannot look it up.
        pub fn by_number(number: u32) -> io::Result<Option<Account>> {
            // SAFETY: all pointers are what `entry` passes.
            let get = |record, buffer, size, result| unsafe {
                libc::getpwuid_r(number, record, buffer, size, result)
            };
            entry(get, read_account)
        }

        /// Returns the numbers of all groups of the account, its main group included. Numbers that
        /// no group has count too.
        ///
        /// # Errors
        /// When the name cannot be passed to the system, or it has more groups than Linux allows.
        #[cfg(target_os = "linux")]
        pub fn groups(&self) -> io::Result<Vec<u32>> {
            /// `NGROUPS_MAX` of the kernel.
            const MOST: usize = 65_536;
            let name = CString::new(self.name.as_str())?;
            let mut groups = vec![0; 64];
            loop {
                let mut count = c_int::try_from(groups.len()).map_err(io::Error::other)?;
                // SAFETY: the list has room for as many numbers as `count` says.
                let answer = unsafe {
                    libc::getgrouplist(
                        name.as_ptr(),
                        self.group,
                        groups.as_mut_ptr(),
                        &raw mut count,
                    )
                };
                if answer >= 0 {
                    groups.truncate(usize::try_from(count).map_err(io::Error::other)?);
                    return Ok(groups);
                }
                if groups.len() >= MOST {
                    return Err(io::Error::from_raw_os_error(libc::EINVAL));
                }
                groups.resize(groups.len() * 2, 0);
            }
        }
    }

    /// Returns the number of a user, given as a name or number.
    pub fn user_named(name: &str) -> Option<u32> {
        let account = Account::by_name(name).ok().flatten().map(|account| account.number);
        account.or_else(|| name.parse().ok())
    }

    /// Returns what a user is called: by name, or by number where there is no name.
    pub fn user_name(number: u32) -> String {
        let account = Account::by_number(number).ok().flatten();
        account.map_or_else(|| format!("the user {number}"), |account| account.name)
    }

    /// Returns the number of a group, given as a name or number.
    pub fn group_number(name: &str) -> Option<u32> {
        let c_name = CString::new(name).ok()?;
        // SAFETY: as for users.
        let get = |record, buffer, size, result| unsafe {
            libc::getgrnam_r(c_name.as_ptr(), record, buffer, size, result)
        };
        let group = entry(get, |record: &libc::group| record.gr_gid).ok().flatten();
        group.or_else(|| name.parse().ok())
    }
}

#[cfg(unix)]
pub use unix::{group_number, user_name, user_named};

#[cfg(not(unix))]
mod other {
    /// Users have no numbers here.
    pub fn user_named(_name: &str) -> Option<u32> {
        None
    }

    /// Users have no numbers here.
    pub fn user_name(number: u32) -> String {
        format!("the user {number}")
    }

    /// Groups have no numbers here.
    pub fn group_number(_name: &str) -> Option<u32> {
        None
    }
}

#[cfg(not(unix))]
pub use other::{group_number, user_name, user_named};

#[cfg(all(test, unix))]
mod tests {
    use super::{Account, group_number, user_name, user_named};

    #[test]
    fn users_are_known_by_name_and_by_number() {
        let root = Account::by_number(0).unwrap().unwrap();
        assert_eq!(root.name, "root");
        assert!(root.home.as_ref().is_some_and(|home| home.is_absolute()));
        assert_eq!(Account::by_name("root").unwrap(), Some(root.clone()));
        assert_eq!(Account::of(Some("root")).unwrap(), root);
        assert_eq!((user_named("root"), user_name(0)), (Some(0), "root".to_owned()));
        assert!(Account::by_name("a\0b").is_err());
    }

    #[test]
    fn absent_users_are_no_failures_of_the_system() {
        let absent = 4_000_000_123;
        assert_eq!(Account::by_number(absent).unwrap(), None);
        assert_eq!(Account::by_name("no-such-user-here").unwrap(), None);
        let error = Account::of(Some("no-such-user-here")).unwrap_err();
        assert_eq!(error.to_string(), "there is no user no-such-user-here");
        assert_eq!(user_named(&absent.to_string()), Some(absent));
        assert_eq!(user_name(absent), format!("the user {absent}"));
    }

    #[test]
    fn groups_are_known_by_name_and_by_number() {
        assert!(group_number("daemon").is_some());
        assert_eq!(group_number("123456"), Some(123_456));
        assert_eq!(group_number("no-such-group-here"), None);
        #[cfg(target_os = "linux")]
        {
            let root = Account::of(Some("root")).unwrap();
            assert!(root.groups().unwrap().contains(&root.group));
        }
    }
}
