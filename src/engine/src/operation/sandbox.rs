//! How the programs of one build are confined: the strongest way that the settings and the system
//! allow.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::confined_thread::{Lease, Runner, Runners};
use super::{Error, Result, Workspace};
use crate::platform;
use crate::platform::build_users::{BuildUser, Error as UserError};
use crate::platform::jail::{self, Base, Keeper, Level, Refused, Rules, View};
use crate::platform::lock::{Lock, Patience};
use crate::platform::process::missing_leftovers;
use crate::settings::{Event, Sandbox, Settings};

/// What the builds of one call share: threads that start programs.
#[derive(Default)]
pub struct Sandboxes {
    runners: Arc<Runners>,
    /// Whether no other process is one of the users of builds.
    has_users: Mutex<bool>,
}

impl Sandboxes {
    /// Takes a user for a build. The first time, the range of users is looked at.
    fn take_user(
        &self,
        settings: &Settings,
        place: u32,
    ) -> std::result::Result<BuildUser, UserError> {
        let mut is_checked = self.has_users.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_checked {
            settings.build_users.check()?;
            *is_checked = true;
        }
        BuildUser::take(&settings.build_users, place)
    }
}

/// The confinement of one build.
#[derive(Default)]
pub struct BuildSandbox {
    shared: Arc<Sandboxes>,
    /// The thread that has its jail.
    jail: Mutex<Option<Lease>>,
    /// What programs without a jail are known by; empty before the first.
    mark: Mutex<String>,
    /// The user that the build is, where root builds.
    user: Mutex<Option<BuildUser>>,
    number: Option<u32>,
    /// How far the least confined of its programs was, `None` before the first.
    weakest: Mutex<Option<Level>>,
}

/// How a program is confined.
pub enum Confined {
    /// Not at all.
    Off(Lease),
    /// By Landlock and a filter.
    Landlock(Lease, Rules),
    /// In the build's jail, which may still have to be made.
    Jail(Lease, Rules, Option<Box<Beginning>>),
}

/// How a jail is made, on a thread that has none.
pub struct Beginning {
    view: View,
    runners: Arc<Runners>,
    rules: Rules,
    lock: PathBuf,
    patience: Patience,
}

impl Beginning {
    /// Makes the jail.
    ///
    /// # Errors
    /// When the system refuses; in words.
    pub fn make(self, runner: &mut Runner) -> std::result::Result<(), String> {
        runner.refusal = None;
        runner.lock = None;
        runner.lock = Some(
            Lock::take_briefly(&self.lock, &self.patience).map_err(|error| error.to_string())?,
        );
        let words = |refused: Refused| {
            format!("this system refuses {} ({})", refused.step, platform::reason(&refused.cause))
        };
        let keeper = match runner.keeper.take() {
            Some(keeper) if keeper.is_ready() => keeper,
            _ => {
                let template = self.runners.machine()?.template(&self.rules);
                let template = template.map_err(|error| platform::reason(&error))?;
                Keeper::new(self.rules.network, template).map_err(words)?
            }
        };
        runner.keeper.insert(keeper).begin(self.view).map_err(words)
    }
}

impl BuildSandbox {
    /// Returns the confinement of a build, not yet made. `place` is that of its slot among the
    /// users of builds.
    ///
    /// # Errors
    /// When there is no user for it.
    pub fn new(
        shared: &Arc<Sandboxes>,
        settings: &Settings,
        place: u32,
    ) -> std::result::Result<BuildSandbox, UserError> {
        let needs_user = platform::is_system_user() && settings.sandbox != Sandbox::Off;
        let user = needs_user.then(|| shared.take_user(settings, place)).transpose()?;
        let number = user.as_ref().map(BuildUser::number);
        Ok(BuildSandbox {
            shared: Arc::clone(shared),
            user: Mutex::new(user),
            number,
            ..BuildSandbox::default()
        })
    }

    /// Returns the number of the build's user, if it is another one.
    pub fn user(&self) -> Option<u32> {
        self.number
    }

    /// Lets other builds have the user. Nothing of this one may belong to it any more.
    pub fn give_user_back(&self) {
        self.user.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Ends what the build left running, where it is known by its user.
    pub fn end_user(&self) -> std::io::Result<()> {
        let user = self.user.lock().unwrap_or_else(PoisonError::into_inner);
        user.as_ref().map_or(Ok(()), BuildUser::end_expected)
    }

    /// Returns how far the programs of the build were confined. Without a program, nothing could be
    /// stronger.
    pub fn level(&self) -> Level {
        self.weakest.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(Level::Namespaces)
    }

    fn note(&self, level: Level) {
        let mut weakest = self.weakest.lock().unwrap_or_else(PoisonError::into_inner);
        *weakest = Some(weakest.map_or(level, |known| known.min(level)));
    }

    /// Returns the name of the file that identifies programs without a jail. It is recorded before
    /// the first of them, for the process that finds the build interrupted.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub fn mark(&self, note: &Path) -> Result<String> {
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        if mark.is_empty() {
            let name = platform::random_name()
                .map_err(platform::failed("make a random name for", note))?;
            *mark = format!("syslua-{name}");
            platform::write_private_file_atomically(note, mark.as_bytes())?;
        }
        Ok(mark.clone())
    }

    /// Ends the jail, with every process in it. Its thread has another one when this one is gone.
    pub fn end(&self) {
        let lease = self.jail.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(lease) = lease {
            lease.end(|runner: &mut Runner| {
                if let Some(keeper) = &mut runner.keeper {
                    keeper.end();
                }
                runner.lock = None;
                if let Some(keeper) = &mut runner.keeper {
                    keeper.settle();
                }
            });
        }
    }

    /// Gives a thread with a jail back to the build.
    pub fn keep(&self, lease: Lease) {
        *self.jail.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
    }

    /// Returns what confines the next program; `command` names it in errors.
    ///
    /// # Errors
    /// When the settings want more than the system has, or there is no thread to start it.
    pub fn confine(&self, workspace: &Workspace, rules: Rules, command: &str) -> Result<Confined> {
        let not_started = |error: super::confined_thread::Error| Error::NotStarted {
            command: command.to_owned(),
            reason: error.to_string(),
        };
        let runners = &self.shared.runners;
        let mode = workspace.settings.sandbox;
        if mode == Sandbox::Off {
            self.note(Level::Off);
            return Ok(Confined::Off(runners.lease(None).map_err(not_started)?));
        }
        let support = jail::support();
        if mode != Sandbox::Landlock {
            let known = self.jail.lock().unwrap_or_else(PoisonError::into_inner).take();
            let made = match known {
                Some(lease) => Ok((lease, None)),
                None => self.begin(&rules, workspace),
            };
            match made {
                Ok((lease, beginning)) => {
                    self.note(Level::Namespaces);
                    return Ok(Confined::Jail(lease, rules, beginning));
                }
                Err(missing) if mode == Sandbox::Require => {
                    return Err(Error::NotConfined { missing });
                }
                Err(missing) => {
                    let files =
                        support.missing().map(|missing| format!("; {missing}")).unwrap_or_default();
                    self.warn(workspace, &format!("{missing}{files}"));
                }
            }
        } else if let Some(missing) = support.missing() {
            self.warn(workspace, &missing);
        }
        if let Some(missing) =
            missing_leftovers(support.has_scoped_signals(), self.number.is_some())
        {
            self.warn(workspace, missing);
        }
        self.note(support.level());
        if let Some(user) = &*self.user.lock().unwrap_or_else(PoisonError::into_inner) {
            user.expect_processes();
        }
        let lease = runners.lease(Some(Base::of(&rules))).map_err(not_started)?;
        Ok(Confined::Landlock(lease, rules))
    }

    /// Begins to make the jail of the build before a program is started in it, when it is known
    /// that there are jails here. It does not wait for that: the program comes after it on the
    /// same thread, and says why it failed.
    pub fn prepare(&self, workspace: &Workspace) {
        let wants_jail = matches!(workspace.settings.sandbox, Sandbox::Auto | Sandbox::Require);
        let has_jails = matches!(self.shared.runners.has_namespaces.get(), Some(Ok(())));
        let has_one = self.jail.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if !wants_jail || !has_jails || has_one {
            return;
        }
        if let Ok((lease, Some(beginning))) = self.begin(&workspace.rules(Vec::new()), workspace)
            && lease.start(move |runner| runner.refusal = beginning.make(runner).err()).is_ok()
        {
            self.keep(lease);
        }
    }

    /// Says once what is not enforced.
    fn warn(&self, workspace: &Workspace, missing: &str) {
        let message = format!("programs of builds are not confined as they should be: {missing}");
        if workspace.settings.context.is_new_warning(&message) {
            workspace.settings.events.send(Event::Warning { message });
        }
    }

    /// Returns a thread that makes the jail, and how; or the reason in words why that is
    /// impossible. The first jail is made at once, to test whether the system allows it. If a later
    /// one fails, the build fails too: it does not continue without a jail.
    fn begin(
        &self,
        rules: &Rules,
        workspace: &Workspace,
    ) -> std::result::Result<(Lease, Option<Box<Beginning>>), String> {
        let runners = &self.shared.runners;
        let known = || runners.has_namespaces.get();
        let _first = known()
            .is_none()
            .then(|| runners.first_try.lock().unwrap_or_else(PoisonError::into_inner));
        let is_first = match known() {
            Some(Err(refused)) => return Err(refused.clone()),
            Some(Ok(())) => false,
            None => true,
        };
        let begin = || {
            let support = jail::support();
            if !support.filter {
                return Err("this system does not filter system calls (seccomp)".to_owned());
            }
            let settings = &workspace.settings;
            let beginning = Beginning {
                view: runners
                    .machine()?
                    .view(rules, support)
                    .map_err(|error| platform::reason(&error))?,
                runners: Arc::clone(runners),
                rules: rules.clone(),
                lock: workspace.jail.clone(),
                patience: Patience {
                    timeout: settings.lock_timeout,
                    interrupt: settings.interrupt.clone(),
                },
            };
            let lease = runners
                .lease(Some(Base::of_jails(rules.network)))
                .map_err(|error| error.to_string())?;
            if !is_first {
                return Ok((lease, Some(Box::new(beginning))));
            }
            lease
                .run(move |runner| beginning.make(runner))
                .map_err(|error| error.to_string())??;
            Ok((lease, None))
        };
        let begun = begin();
        let _ = runners.has_namespaces.set(begun.as_ref().map(drop).map_err(Clone::clone));
        begun
    }

    /// Returns what one program sees besides what the build does.
    ///
    /// # Errors
    /// When a path cannot be read; in words.
    pub fn steps_for(&self, rules: &Rules) -> std::result::Result<Vec<jail::Step>, String> {
        self.shared.runners.machine()?.steps_for(rules).map_err(|error| platform::reason(&error))
    }
}
