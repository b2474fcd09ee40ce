//! Entering a project: building what its environment needs, and the environment itself. Nothing of the system changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Engine, Error};
use crate::activation::Activation;
use crate::environment::Environment;
use crate::environment::shells::{Identity, Shell};
use crate::manifest::Manifest;
use crate::names::{Placeholder, Segment, SnapshotId};
use crate::platform;
use crate::realize::Tasks;
use crate::settings::Event;

/// The environment of a project, with everything that it names in the store.
#[derive(Debug)]
pub struct Entered {
    /// The environment.
    pub environment: Environment,
    /// The project.
    pub name: String,
    root: std::path::PathBuf,
}

impl Entered {
    /// Returns whose environment it is.
    pub fn identity(&self) -> Identity<'_> {
        Identity { root: &self.root, user: None, project: Some(&self.name), snapshot: SnapshotId(0) }
    }

    /// Returns the script of a shell that is started in the project.
    pub fn script(&self, shell: &dyn Shell) -> Vec<u8> {
        let before = shell.subshell("").unwrap_or_default().before;
        let script = shell.render(&self.environment, &self.identity());
        [before.as_bytes(), &script, shell.mark_prompt().as_bytes()].concat()
    }
}

impl Engine {
    /// Builds what the environment of a project names, and returns that environment.
    ///
    /// # Errors
    /// When something cannot be built.
    pub fn enter(
        &self,
        manifest: &Manifest,
        project: &str,
        tasks: &mut dyn Tasks,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Entered, Error> {
        let is_of = |activation: &&Activation| {
            activation.user.is_none() && activation.project.as_ref().is_some_and(|own| own.name == project)
        };
        let own: Vec<&Activation> = manifest.activations.iter().filter(is_of).collect();
        let owners = manifest.owners();
        let mut wanted = BTreeSet::new();
        for text in own.iter().flat_map(|activation| activation.action.texts()) {
            for segment in Placeholder::split(&text.0) {
                if let Segment::Placeholder(placeholder) = segment {
                    wanted.extend(owners.get(&placeholder).map(|(derivation, _)| derivation.hash));
                }
            }
        }
        let realized = self.build(&manifest.derivations, &wanted, tasks, on_event)?;
        let path = |placeholder: Placeholder| {
            let (derivation, output) = owners.get(&placeholder)?;
            Some(platform::bytes_of_path(&self.store.object(realized.get(&derivation.hash)?.get(*output)?)))
        };
        let resolved: Vec<Arc<Activation>> = own
            .into_iter()
            .map(|activation| {
                let action = activation.action.resolve(&path).unwrap_or_else(|_| activation.action.clone());
                Arc::new(activation.with_action(action))
            })
            .collect();
        let environment = Environment::of_project(resolved.iter().map(AsRef::as_ref), project, &self.settings.home);
        Ok(Entered { environment, name: project.to_owned(), root: self.settings.root.clone() })
    }
}
