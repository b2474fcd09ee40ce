//! Where identities of age may be, as sops looks for them.

use std::path::{Path, PathBuf};

use syslua_secrets::identity::{Identities, Places};

use crate::machine;

/// The directory of settings, where sops looks for `sops/age/keys.txt`.
pub fn settings_directory(home: Option<&Path>) -> Option<PathBuf> {
    if let Some(directory) =
        std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute())
    {
        return Some(directory);
    }
    if cfg!(windows) {
        return std::env::var_os("APPDATA").map(PathBuf::from);
    }
    home.map(|home| {
        home.join(if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" })
    })
}

/// Looks for identities in every place where sops does, and as root for the keys of the host.
pub fn get_identities() -> Identities {
    let home = machine::home().ok();
    Identities::find(&Places {
        variable: &|name| std::env::var(name).ok().filter(|value| !value.is_empty()),
        settings: settings_directory(home.as_deref()),
        home,
        host_keys: machine::is_root().then(|| PathBuf::from("/etc/ssh")),
    })
}
