//! Writes `snapshots/<id>/`: first completely under a temporary name, then synced and renamed.

use std::path::{Path, PathBuf};

use super::Error;
use crate::config_copy;
use crate::environment::shells::{self, Identity};
use crate::environment::{self, Environment};
use crate::manifest::Manifest;
use crate::platform;
use crate::seen_trees::SeenTrees;
use crate::snapshot::Snapshot;
use crate::store::Store;

const PRIVATE: u32 = 0o600;
const READABLE: u32 = 0o644;
const TRAVERSED: u32 = 0o711;
const CLOSED: u32 = 0o700;

/// From this number of actions on, it is worth copying the config beside the rest.
const MANY: usize = 500;

/// What lists the projects, in the directory of their environments.
const LIST: &str = "list";

/// Writes a snapshot's directory and makes sure that it is on the disk.
pub fn write_snapshot(
    store: &Store,
    home: &Path,
    snapshot: &Snapshot,
    manifest: &Manifest,
    seen: &SeenTrees,
) -> Result<(), Error> {
    let place = store.snapshot(snapshot.id);
    let temporary = store.snapshots().join(format!(".{}.new", snapshot.id));
    platform::remove_tree(&temporary)?;
    platform::create_directory_as(&temporary, TRAVERSED)?;
    let write = |name: &str, content: &[u8], mode: u32| -> Result<(), Error> {
        Ok(platform::write_file_as(&temporary.join(name), content, mode)?)
    };
    let texts = || -> Result<(), Error> {
        write("snapshot.json", &snapshot.to_text(), PRIVATE)?;
        let mut text = manifest.to_text();
        text.push(b'\n');
        write("manifest.json", &text, PRIVATE)?;
        let environment = Environment::new(snapshot.actions(), home);
        let identity =
            Identity { root: store.root(), user: None, project: None, snapshot: snapshot.id };
        for shell in shells::scripts() {
            write(shell.file(), &shell.render(&environment, &identity), READABLE)?;
        }
        write_users(store, &temporary, snapshot)?;
        write_projects(store, home, &temporary, snapshot)
    };
    let copy = || -> Result<(), Error> {
        let before = config_copy::before(store, manifest, snapshot.parent);
        Ok(config_copy::write(store, &temporary.join("config"), manifest, &before, seen)?)
    };
    if snapshot.activations.len() < MANY {
        texts()?;
        copy()?;
    } else {
        let (texts, copy) = rayon::join(texts, copy);
        texts.and(copy)?;
    }
    // One call for all new objects too, which nothing else syncs.
    platform::sync_file_system(&temporary)?;
    platform::remove_tree(&place)?;
    platform::rename(&temporary, &place)?;
    Ok(platform::sync_directory(&store.snapshots())?)
}

/// Writes the environments of projects that have a directory, for shells that enter it: how to get
/// and how to leave each, and a list, outer directories first.
fn write_projects(
    store: &Store,
    home: &Path,
    directory: &Path,
    snapshot: &Snapshot,
) -> Result<(), Error> {
    let projects = Environment::projects(snapshot.actions(), home);
    if projects.is_empty() {
        return Ok(());
    }
    let above = directory.join("projects");
    platform::create_directory_as(&above, TRAVERSED)?;
    let mut list = Vec::new();
    for (name, path) in projects {
        let own_name = project_directory(name);
        let own = above.join(&own_name);
        platform::create_directory_as(&own, TRAVERSED)?;
        let environment = Environment::of_project(snapshot.actions(), name, home);
        let identity =
            Identity { root: store.root(), user: None, project: Some(name), snapshot: snapshot.id };
        for shell in shells::scripts() {
            if let Some(leave) = shell.render_leave(&identity) {
                platform::write_file_as(
                    &own.join(shell.file()),
                    &shell.render(&environment, &identity),
                    READABLE,
                )?;
                platform::write_file_as(
                    &own.join(shell.file().replace("env.", "leave.")),
                    &leave,
                    READABLE,
                )?;
            }
        }
        list.extend(
            [format!("{}/projects/{own_name} ", snapshot.id).as_bytes(), &path, b"\n"].concat(),
        );
    }
    Ok(platform::write_file_as(&above.join(LIST), &list, READABLE)?)
}

/// Returns the name of a project's directory, beside the list: two names are two directories, also
/// on a file system that ignores case. Names of projects have no `=`.
fn project_directory(name: &str) -> String {
    let mut directory = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            directory.push('=');
        }
        directory.push(letter);
    }
    if directory == LIST {
        directory.push('=');
    }
    directory
}

/// Writes the environment of each user, which only that user reads.
fn write_users(store: &Store, directory: &Path, snapshot: &Snapshot) -> Result<(), Error> {
    let users = environment::users(snapshot.actions());
    if users.is_empty() {
        return Ok(());
    }
    let above = directory.join("users");
    platform::create_directory_as(&above, TRAVERSED)?;
    for user in users {
        let own = above.join(user);
        platform::create_directory_as(&own, CLOSED)?;
        let environment = Environment::of_user(snapshot.actions(), user);
        let identity =
            Identity { root: store.root(), user: Some(user), project: None, snapshot: snapshot.id };
        for shell in shells::scripts() {
            let script = own.join(shell.file());
            platform::write_file_as(&script, &shell.render(&environment, &identity), READABLE)?;
            platform::give_to(&script, user)?;
        }
        platform::give_to(&own, user)?;
    }
    Ok(())
}

/// Makes the links that lead to the scripts of users, if they are missing.
pub fn write_user_links(store: &Store, snapshot: &Snapshot) -> Result<(), Error> {
    for user in environment::users(snapshot.actions()) {
        // Where the user keeps objects of this store alive.
        if let Some(roots) = platform::user_named(user).map(|number| store.user_roots(number))
            && !platform::exists(&roots)
        {
            if let Some(above) = roots.parent() {
                platform::create_directories_as(above, TRAVERSED)?;
            }
            platform::create_directory_as(&roots, CLOSED)?;
            platform::give_to(&roots, user)?;
        }
        let directory = store.root().join("users").join(user);
        for shell in shells::scripts() {
            let link = directory.join(shell.file());
            if platform::exists(&link) {
                continue;
            }
            if let Some(above) = directory.parent() {
                platform::create_directories_as(above, TRAVERSED)?;
            }
            platform::create_directories_as(&directory, CLOSED)?;
            let target =
                Path::new("../../store/metadata/current/users").join(user).join(shell.file());
            platform::symlink(&target, &link)?;
            platform::give_to(&directory, user)?;
        }
    }
    Ok(())
}

/// Returns the links that lead to whatever is current.
pub fn fixed_links(store: &Store) -> Vec<(PathBuf, PathBuf)> {
    let current = Path::new("store/metadata/current");
    let scripts = shells::scripts()
        .map(|shell| (store.root().join(shell.file()), current.join(shell.file())));
    scripts
        .chain([(store.metadata().join("manifest.json"), "current/manifest.json".into())])
        .collect()
}

/// Makes these links, if they are missing.
pub fn write_fixed_links(store: &Store) -> Result<(), Error> {
    for (link, target) in fixed_links(store) {
        if !platform::exists(&link) {
            platform::symlink(&target, &link)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::action::Variable;
    use crate::activation::DeclaredAction;
    use crate::names::SnapshotId;
    use crate::variable::VariableValue;

    #[test]
    fn a_shell_is_one_file_and_one_line_in_the_list() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let store = Store::new(&root);
        std::fs::create_dir_all(store.snapshots()).unwrap();
        let variable = |name: &str, value: &str| {
            let value = VariableValue::Single(value.into());
            Arc::new(DeclaredAction::new(Variable { name: name.into(), value }.into(), Vec::new()))
        };
        let activations = vec![variable("A", "1"), variable("BAR", "a|b")];
        let snapshot = Snapshot { activations, id: SnapshotId(1), ..Snapshot::empty() };
        write_snapshot(
            &store,
            Path::new("/h"),
            &snapshot,
            &Manifest::default(),
            &SeenTrees::default(),
        )
        .unwrap();
        let script =
            std::fs::read_to_string(store.snapshot(SnapshotId(1)).join("env.toy")).unwrap();
        assert!(script.contains("\n__syslua_single A |1|\n"), "{script}");
        assert!(
            script.contains("sys.lua: toy cannot have the value of BAR: it has a bar"),
            "{script}"
        );
        assert!(fixed_links(&store).iter().any(|(link, _)| *link == root.join("env.toy")));
        assert!(shells::get("toy").is_some());
    }
}
