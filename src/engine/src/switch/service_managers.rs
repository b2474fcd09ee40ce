//! The service managers that a switch talks to: whose they are, and the connections to them.

use std::collections::BTreeMap;

use syslua_services::declaration::Scope;
use syslua_services::manager::{self, Manager, Whose};
use syslua_services::problem::Problem;

use super::Error;
use crate::action::Service;
use crate::activation::DeclaredAction;
use crate::journal::ServiceManager;
use crate::platform::{self, Account};
use crate::settings::Settings;
use crate::value::Positions;

/// A connection to a manager, or `None` if it does not run.
type Connection = Option<Box<dyn Manager>>;

/// Connections to managers, by scope and user.
pub(super) struct Managers<'a> {
    settings: &'a Settings,
    open: BTreeMap<(Scope, Option<String>), Connection>,
}

impl<'a> Managers<'a> {
    /// Returns no connections yet.
    pub(super) fn new(settings: &'a Settings) -> Managers<'a> {
        Managers { settings, open: BTreeMap::new() }
    }

    /// Returns the connection to a manager, or `None` if it does not run.
    ///
    /// # Errors
    /// When that of the system cannot be reached.
    pub(super) fn get(&mut self, of: &ServiceManager) -> Result<Option<&mut dyn Manager>, Problem> {
        let key = (of.scope, of.user.clone());
        if !self.open.contains_key(&key) {
            let whose = whose(self.settings, of.scope, of.user.as_deref())?;
            let connected = match whose {
                Some(whose) => manager::connect(&whose)?,
                None => None,
            };
            self.open.insert(key.clone(), connected);
        }
        Ok(match self.open.get_mut(&key) {
            Some(Some(manager)) => Some(&mut **manager),
            _ => None,
        })
    }

    /// Forgets that a manager did not run.
    pub(super) fn forget(&mut self, of: &ServiceManager) {
        self.open.remove(&(of.scope, of.user.clone()));
    }
}

/// Returns the owner of the manager, or `None` if it does not manage this home.
///
/// # Errors
/// When the user does not exist.
pub(super) fn whose(
    settings: &Settings,
    scope: Scope,
    user: Option<&str>,
) -> Result<Option<Whose>, Problem> {
    if scope == Scope::System {
        return Ok(Some(Whose::System));
    }
    let account = Account::of(user).map_err(|error| Problem::Unreachable {
        manager: "the user's service manager".to_owned(),
        reason: error.to_string(),
    })?;
    // The user's manager does not know another home than the user's.
    let is_home = user.is_some()
        || account
            .home
            .as_ref()
            .is_none_or(|home| platform::canonical(home) == platform::canonical(&settings.home));
    let Account { number, group, name, .. } = account;
    Ok(is_home.then_some(Whose::User { uid: number, gid: group, name }))
}

/// Connects to the manager of a service, if it runs.
///
/// # Errors
/// When that of the system cannot be reached.
pub fn connect(
    settings: &Settings,
    scope: Scope,
    user: Option<&str>,
) -> Result<Connection, Problem> {
    match whose(settings, scope, user)? {
        Some(whose) => manager::connect(&whose),
        None => Ok(None),
    }
}

/// Returns what makes an error of a manager's problem.
pub(super) fn at(positions: &Positions) -> impl Fn(Problem) -> Error {
    let positions = positions.clone();
    move |problem| Error::Manager { problem, positions: positions.clone() }
}

/// Returns the manager that a service is of.
pub(super) fn manager_of(activation: &DeclaredAction, service: &Service) -> ServiceManager {
    // Outside of `user{}` it is the user's who applies.
    let user = activation.user.clone().filter(|_| service.scope == Scope::User);
    ServiceManager { scope: service.scope, user, lingers: false, stops_lingering: false }
}
