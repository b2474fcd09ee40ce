//! Names of variables that a shell keeps for itself: it sets them, refuses to have them set, or
//! gives them its own meaning.

/// The shells, and the names that each keeps. Sources: bash(1), Shell Variables; zshparam(1) and
/// the parameters of zshmodules(1); the manual of fish, Special variables.
const RESERVED: &[(&str, &[&str])] = &[
    (
        "sh",
        &[
            "IFS", "LINENO", "OLDPWD", "OPTARG", "OPTERR", "OPTIND", "PPID", "PWD", "SHLVL", "_",
            "COLUMNS", "LINES",
        ],
    ),
    (
        "bash",
        &[
            "BASH",
            "BASHOPTS",
            "BASHPID",
            "BASH_ALIASES",
            "BASH_ARGC",
            "BASH_ARGV",
            "BASH_ARGV0",
            "BASH_CMDS",
            "BASH_COMMAND",
            "BASH_EXECUTION_STRING",
            "BASH_LINENO",
            "BASH_MONOSECONDS",
            "BASH_REMATCH",
            "BASH_SOURCE",
            "BASH_SUBSHELL",
            "BASH_TRAPSIG",
            "BASH_VERSINFO",
            "BASH_VERSION",
            "COMPREPLY",
            "COMP_CWORD",
            "COMP_KEY",
            "COMP_LINE",
            "COMP_POINT",
            "COMP_TYPE",
            "COMP_WORDBREAKS",
            "COMP_WORDS",
            "COPROC",
            "DIRSTACK",
            "EPOCHREALTIME",
            "EPOCHSECONDS",
            "EUID",
            "FUNCNAME",
            "GROUPS",
            "HISTCMD",
            "MAPFILE",
            "PIPESTATUS",
            "RANDOM",
            "READLINE_ARGUMENT",
            "READLINE_LINE",
            "READLINE_MARK",
            "READLINE_POINT",
            "REPLY",
            "SECONDS",
            "SHELLOPTS",
            "SRANDOM",
            "UID",
        ],
    ),
    (
        "zsh",
        &[
            "ARGC",
            "EGID",
            "ERRNO",
            "FUNCNEST",
            "GID",
            "KEYBOARD_HACK",
            "MATCH",
            "MBEGIN",
            "MEND",
            "TRY_BLOCK_ERROR",
            "TRY_BLOCK_INTERRUPT",
            "TTYIDLE",
            "USERNAME",
            "ZSH_ARGZERO",
            "ZSH_EVAL_CONTEXT",
            "ZSH_EXECUTION_STRING",
            "ZSH_NAME",
            "ZSH_PATCHLEVEL",
            "ZSH_SCRIPT",
            "ZSH_SUBSHELL",
            "ZSH_VERSION",
            "aliases",
            "argv",
            "builtins",
            "cdpath",
            "commands",
            "dirstack",
            "dis_aliases",
            "dis_builtins",
            "dis_functions",
            "dis_functions_source",
            "dis_galiases",
            "dis_patchars",
            "dis_reswords",
            "dis_saliases",
            "epochtime",
            "errnos",
            "fignore",
            "fpath",
            "funcfiletrace",
            "funcsourcetrace",
            "funcstack",
            "functions",
            "functions_source",
            "functrace",
            "galiases",
            "history",
            "historywords",
            "jobdirs",
            "jobstates",
            "jobtexts",
            "keymaps",
            "langinfo",
            "mailpath",
            "manpath",
            "mapfile",
            "module_path",
            "modules",
            "nameddirs",
            "options",
            "parameters",
            "patchars",
            "path",
            "pipestatus",
            "psvar",
            "reswords",
            "saliases",
            "signals",
            "status",
            "sysparams",
            "termcap",
            "terminfo",
            "userdirs",
            "usergroups",
            "watch",
            "widgets",
            "zsh_eval_context",
            "zsh_scheduled_events",
        ],
    ),
    (
        "fish",
        &[
            "FISH_VERSION",
            "fish_kill_signal",
            "fish_killring",
            "fish_pid",
            "hostname",
            "status_generation",
            "umask",
            "version",
        ],
    ),
];

/// What the names begin with in which the environment scripts remember what they set.
pub const OWN_PREFIX: &str = "__SYSLUA";

/// Words of the grammars of shells, and commands without which their scripts cannot work.
const WORDS: &[&str] = &[
    "alias",
    "and",
    "begin",
    "break",
    "builtin",
    "case",
    "catch",
    "command",
    "const",
    "continue",
    "coproc",
    "declare",
    "def",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "fi",
    "fn",
    "for",
    "foreach",
    "function",
    "if",
    "in",
    "let",
    "local",
    "nocorrect",
    "noglob",
    "not",
    "or",
    "repeat",
    "return",
    "select",
    "set",
    "shift",
    "source",
    "switch",
    "test",
    "then",
    "time",
    "trap",
    "try",
    "typeset",
    "unalias",
    "unset",
    "until",
    "use",
    "var",
    "while",
];

/// Returns whether a name is a word of some shell's grammar, which no function can have.
pub fn is_word(name: &str) -> bool {
    WORDS.contains(&name)
}

/// Returns who keeps a name for itself: a shell, or `sys.lua`.
pub fn keeper(name: &str) -> Option<&'static str> {
    let is_own =
        name.get(..OWN_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_PREFIX));
    if is_own {
        return Some("sys.lua");
    }
    RESERVED.iter().find(|(_, names)| names.contains(&name)).map(|(shell, _)| *shell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_keeper() {
        let mut names: Vec<_> = RESERVED.iter().flat_map(|(_, names)| *names).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(keeper("path"), Some("zsh"));
        assert_eq!(keeper("__syslua_x"), Some("sys.lua"));
        assert_eq!(keeper("EDITOR"), None);
    }
}
