//! Variables that are lists: what separates their entries, and what they mean while they are unset.

/// A variable that is a list by the conventions of the programs that read it.
#[derive(Debug)]
pub struct List {
    /// The variable's name.
    pub name: &'static str,
    /// What separates entries on Unix. A colon is a semicolon on Windows.
    pub separator: &'static str,
    /// What programs take while the variable is unset, as it has to follow declared entries. An
    /// empty text is an empty entry, which stands for the default of the program itself.
    pub default: Option<&'static str>,
    /// Whether programs take only absolute entries, or relative ones would depend on the current
    /// directory.
    pub is_absolute: bool,
    /// What says so.
    pub source: &'static str,
}

/// What stands for the home directory at the beginning of a default.
pub const HOME: &str = "$HOME";

const fn list(name: &'static str, default: Option<&'static str>, source: &'static str) -> List {
    List { name, separator: ":", default, is_absolute: false, source }
}

const fn absolute(name: &'static str, default: Option<&'static str>, source: &'static str) -> List {
    List { name, separator: ":", default, is_absolute: true, source }
}

const fn semicolons(name: &'static str) -> List {
    // The separator and this make the two semicolons that stand for the default.
    List {
        name,
        separator: ";",
        default: Some(";"),
        is_absolute: false,
        source: "lua(1), package.path",
    }
}

/// All of them, by name.
pub const LISTS: &[List] = &[
    list("ACLOCAL_PATH", None, "automake manual, Macro Search Path"),
    list("BIBINPUTS", Some(""), "Kpathsea manual, Default expansion"),
    list("BSTINPUTS", Some(""), "Kpathsea manual, Default expansion"),
    list("CDPATH", Some(""), "POSIX, cd: an empty entry is the current directory"),
    list("CLASSPATH", Some("."), "java(1), --class-path"),
    list("CMAKE_PREFIX_PATH", None, "cmake-env-variables(7)"),
    list("CPATH", None, "gcc(1), ENVIRONMENT"),
    list("CPLUS_INCLUDE_PATH", None, "gcc(1), ENVIRONMENT"),
    list("C_INCLUDE_PATH", None, "gcc(1), ENVIRONMENT"),
    list("EMACSLOADPATH", Some(""), "emacs manual, General Variables"),
    absolute("FPATH", None, "zshparam(1), fpath"),
    list("GI_TYPELIB_PATH", None, "g-ir-compiler, Repository: searched before the default"),
    list("GOPATH", Some("$HOME/go"), "go help gopath"),
    absolute("INFOPATH", Some(""), "Texinfo manual, Invoking info: an empty entry is the default"),
    list("LD_LIBRARY_PATH", None, "ld.so(8)"),
    list("LIBRARY_PATH", None, "gcc(1), ENVIRONMENT"),
    semicolons("LUA_CPATH"),
    semicolons("LUA_CPATH_5_2"),
    semicolons("LUA_CPATH_5_3"),
    semicolons("LUA_CPATH_5_4"),
    semicolons("LUA_PATH"),
    semicolons("LUA_PATH_5_2"),
    semicolons("LUA_PATH_5_3"),
    semicolons("LUA_PATH_5_4"),
    absolute("MANPATH", Some(""), "manpath(1): an empty entry is the default"),
    list("NODE_PATH", None, "node(1), ENVIRONMENT"),
    absolute("PATH", Some("/bin:/usr/bin"), "execvp(3)"),
    list("PERL5LIB", None, "perlrun(1), ENVIRONMENT"),
    list("PKG_CONFIG_PATH", None, "pkg-config(1)"),
    list("PYTHONPATH", None, "python(1), ENVIRONMENT VARIABLES"),
    list("RUBYLIB", None, "ruby(1), ENVIRONMENT"),
    absolute("TERMINFO_DIRS", Some(""), "terminfo(5): an empty entry is the default"),
    list("TEXINPUTS", Some(""), "Kpathsea manual, Default expansion"),
    absolute("XDG_CONFIG_DIRS", Some("/etc/xdg"), "XDG Base Directory Specification"),
    absolute(
        "XDG_DATA_DIRS",
        Some("/usr/local/share:/usr/share"),
        "XDG Base Directory Specification",
    ),
];

/// Returns whether a variable is a list by convention, such as PATH.
pub fn is_list(name: &str) -> bool {
    get(name).is_some()
}

/// Returns what is known of a list variable.
pub fn get(name: &str) -> Option<&'static List> {
    LISTS.iter().find(|list| list.name == name)
}

/// Returns what a variable means while it is unset, when its entries are separated as programs
/// expect.
pub fn default_of(name: &str, separator: &str) -> Option<&'static str> {
    get(name).filter(|list| list.separator == separator).and_then(|list| list.default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_list_is_there_once_and_has_a_source() {
        assert!(LISTS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(LISTS.iter().all(|list| !list.source.is_empty()));
        assert_eq!(default_of("MANPATH", ":"), Some(""));
        assert_eq!(default_of("MANPATH", ";"), None);
        assert_eq!(default_of("EDITOR", ":"), None);
    }
}
