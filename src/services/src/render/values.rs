//! Values of declarations that all managers take or refuse alike: programs, paths, accounts,
//! variables, limits, listeners, spans of time.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Manager;
use crate::declaration::{Command, Declaration, Ready, Restart, Scope, check_text};
use crate::problem::Refusal;

/// The longest part of a path, and the longest path, in bytes: `NAME_MAX` and `PATH_MAX`.
const LONGEST_PART: usize = 255;
const LONGEST_PATH: usize = 4095;
/// The longest path of a socket, in bytes: `sun_path` of `unix(7)` without its end.
const LONGEST_SOCKET: usize = 107;
/// The most processes that a kernel counts (`PID_MAX_LIMIT`).
const MOST_TASKS: u64 = 4_194_304;
/// The most open files that a kernel can be told to allow (`fs.nr_open`).
const MOST_FILES: u64 = 2_147_483_584;
/// The most of the time of one processor, in percent, that systemd counts.
const MOST_PERCENT: u64 = 1_000_000;
/// The longest span of time, in seconds: a hundred years.
const LONGEST_SPAN: u64 = 3_155_760_000;

/// Checks what no manager could do as it is declared.
pub(super) fn check(declaration: &Declaration, manager: Manager) -> Result<(), Refusal> {
    let program = match &declaration.command {
        Command::Line(line) if line.trim().is_empty() => None,
        Command::Line(_) => Some("/bin/sh"),
        Command::Words(words) => words.first().map(String::as_str),
    };
    let Some(program) = program else {
        return Err(Refusal::new("command", "is empty"));
    };
    check_program(program, manager)?;
    if declaration.ready == Ready::Oneshot && declaration.restart() == Restart::Always {
        return Err(Refusal::new("restart", "cannot be \"always\" with ready = \"oneshot\""));
    }
    if let Some(directory) = &declaration.directory {
        // The home of the user that the service runs as.
        if directory != "~" || manager != Manager::Systemd {
            check_path("directory", directory, manager)?;
        }
    }
    for (field, account) in [("user", &declaration.user), ("group", &declaration.group)] {
        let Some(account) = account else { continue };
        check_account(field, account)?;
        if declaration.scope == Scope::User {
            return Err(Refusal::new(field, "is only for services of the system")
                .with_hint("scope = \"system\", or declare it in user{}"));
        }
    }
    for (name, value) in &declaration.environment {
        let field = format!("environment.{name}");
        check_text(&field, value)?;
        let mut bytes = name.bytes();
        let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let is_plain = bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if manager != Manager::Windows && !(starts && is_plain) {
            return Err(Refusal::new(field, "cannot be the name of a variable"));
        }
    }
    for (limit, value) in &declaration.limits {
        Limit::read(limit, value)?;
    }
    if let Some(schedule) = &declaration.schedule {
        for (index, calendar) in schedule.calendar.iter().enumerate() {
            let field = format!("schedule.calendar[{}]", index + 1);
            check_text(&field, calendar)?;
            super::expression::check(&field, calendar)?;
        }
        for (field, text) in [("every", &schedule.every), ("on_boot", &schedule.on_boot)] {
            if let Some(text) = text {
                seconds(&format!("schedule.{field}"), text)?;
            }
        }
        if schedule.calendar.is_empty() && schedule.every.is_none() && schedule.on_boot.is_none() {
            return Err(Refusal::new("schedule", "says no time").with_hint(
                "schedule = { calendar = \"daily\" }, { every = \"15m\" } or { on_boot = \"1m\" }",
            ));
        }
    }
    if let Some(socket) = &declaration.socket {
        if socket.listen.is_empty() {
            return Err(Refusal::new("socket.listen", "is empty")
                .with_hint("a path, a port, or an address such as 127.0.0.1:8080"));
        }
        for (index, text) in socket.listen.iter().enumerate() {
            Listener::read(&format!("socket.listen[{}]", index + 1), text)?;
        }
    }
    Ok(())
}

fn is_absolute(path: &str, manager: Manager) -> bool {
    let bytes = path.as_bytes();
    let has_drive = bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.get(1) == Some(&b':')
        && bytes.get(2).is_some_and(|byte| b"/\\".contains(byte));
    path.starts_with('/') || manager == Manager::Windows && (has_drive || path.starts_with('\\'))
}

/// Checks a path that a manager is told.
pub(super) fn check_path(field: &str, path: &str, manager: Manager) -> Result<(), Refusal> {
    check_text(field, path)?;
    let shown = || if path.len() > 100 { "a path".to_owned() } else { format!("{path:?}") };
    let refused = |why: &str| Err(Refusal::new(field, format!("cannot be {}, {why}", shown())));
    if !is_absolute(path, manager) {
        return refused("which is not absolute");
    }
    let parts = || path.split(|c| c == '/' || c == '\\' && manager == Manager::Windows);
    if parts().any(|part| matches!(part, "." | "..")) {
        return refused("which has a part `.` or `..`");
    }
    if parts().any(|part| part.len() > LONGEST_PART) || path.len() > LONGEST_PATH {
        return refused("which is longer than a file system allows");
    }
    Ok(())
}

/// Checks the path of a program: systemd looks for names in directories of its own.
fn check_program(program: &str, manager: Manager) -> Result<(), Refusal> {
    let field = "command[1]";
    check_text(field, program)?;
    if !is_absolute(program, manager) {
        return Err(Refusal::new(
            field,
            format!("cannot be {program:?}, which is not an absolute path"),
        )
        .with_hint("name the program by its path, such as pkg.out .. \"/bin/program\""));
    }
    check_path(field, program, manager)?;
    if program.ends_with('/') {
        let why = format!("cannot be {program:?}, which is not the path of a program");
        return Err(Refusal::new(field, why));
    }
    if manager == Manager::Systemd && program.contains(['\'', '"', '\\']) {
        let why = "has a quote or a backslash, which systemd refuses in the path of a program";
        return Err(Refusal::new(field, why)
            .with_hint("name it in a line for the shell, or link it to a plain name"));
    }
    Ok(())
}

/// Returns a number that is written as one: digits, with no zero before them.
fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_plain && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}

fn check_account(field: &str, account: &str) -> Result<(), Refusal> {
    let mut bytes = account.bytes();
    // Two numbers say that there is none: the last ones of 16 and of 32 bits.
    let is_number = number(account)
        .is_some_and(|number| number < u64::from(u32::MAX) && number != u64::from(u16::MAX));
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let is_name = starts && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if (is_number || is_name) && account.len() <= 31 {
        return Ok(());
    }
    Err(Refusal::new(field, format!("cannot be {account:?}, which is not a valid account name")))
}

/// Returns a span of time in seconds.
pub(super) fn seconds(field: &str, text: &str) -> Result<u64, Refusal> {
    let refused = |why: &str| {
        Refusal::new(field, format!("cannot be {text:?}, which is {why}"))
            .with_hint("30s, 15m, 2h, 1d")
    };
    let not_one = || refused("not a duration");
    let split = text.find(|character: char| !character.is_ascii_digit()).ok_or_else(not_one)?;
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(not_one()),
    };
    let number: u64 = number.parse().ok().filter(|number| *number > 0).ok_or_else(not_one)?;
    let seconds = number.checked_mul(factor).filter(|seconds| *seconds <= LONGEST_SPAN);
    seconds.ok_or_else(|| refused("longer than a hundred years"))
}

/// A limit, as it is written for systemd.
pub(super) enum Limit {
    /// Bytes, or percent of the memory.
    Memory(String),
    /// Percent of the time of a processor.
    Cpu(u64),
    /// Processes and threads.
    Tasks(u64),
    /// Open files.
    Files(u64),
    /// The priority.
    Nice(i64),
}

impl Limit {
    /// Reads a limit.
    pub(super) fn read(limit: &str, value: &str) -> Result<Limit, Refusal> {
        let field = format!("limits.{limit}");
        let whole = |text: &str| -> Option<u64> {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| text.parse().ok())?
        };
        let within = |text: &str, most: u64| whole(text).filter(|n| (1..=most).contains(n));
        let percent = |most| within(value.strip_suffix('%')?, most);
        let (found, example) = match limit {
            "memory" => (memory(value, percent(100), whole), "\"512M\", or at most \"100%\""),
            "cpu" => (percent(MOST_PERCENT).map(Limit::Cpu), "\"50%\"; \"200%\" is two processors"),
            "tasks" => (within(value, MOST_TASKS).map(Limit::Tasks), "64"),
            "files" => (within(value, MOST_FILES).map(Limit::Files), "4096"),
            "nice" => {
                let nice = value.parse::<i8>().ok().filter(|nice| (-20..20).contains(nice));
                (nice.map(|nice| Limit::Nice(nice.into())), "10, from -20 to 19")
            }
            _ => {
                return Err(Refusal::new(field, "is unknown").with_hint(
                    "`memory`, `cpu`, `tasks`, `files` and `nice` are known; `unit` for others",
                ));
            }
        };
        found.ok_or_else(|| Refusal::new(field, format!("cannot be {value:?}")).with_hint(example))
    }
}

fn memory(value: &str, percent: Option<u64>, whole: impl Fn(&str) -> Option<u64>) -> Option<Limit> {
    if let Some(percent) = percent {
        return Some(Limit::Memory(format!("{percent}%")));
    }
    let suffix = value.chars().last().filter(|last| "KMGT".contains(*last));
    let power = suffix.and_then(|suffix| "KMGT".find(suffix)).map_or(0, |index| index + 1);
    let text = suffix.and_then(|suffix| value.strip_suffix(suffix)).unwrap_or(value);
    let count = whole(text)?;
    let bytes = count.checked_mul(1 << (10 * power))?;
    // The largest number says that there is no limit.
    (bytes > 0 && bytes < u64::MAX)
        .then(|| Limit::Memory(format!("{count}{}", suffix.map(String::from).unwrap_or_default())))
}

/// Where a manager listens.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A file.
    Path(String),
    /// A name of Linux that is not a file.
    Abstract(String),
    /// A port of all addresses.
    Port(u16),
    /// A port of an address of four bytes.
    V4(Ipv4Addr, u16),
    /// A port of an address of sixteen bytes.
    V6(Ipv6Addr, u16),
}

/// A listener.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listener {
    /// Whether it is for datagrams.
    pub is_datagram: bool,
    /// Where.
    pub address: Address,
}

impl Listener {
    /// Reads a listener: a path, a port, `address:port`, `[address]:port`, `@name`, `udp:` before
    /// one.
    pub(super) fn read(field: &str, text: &str) -> Result<Listener, Refusal> {
        check_text(field, text)?;
        let (is_datagram, address) = match text.strip_prefix("udp:") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let refused = |why: &str| {
            Refusal::new(field, format!("cannot be {text:?}, {why}"))
                .with_hint("a path, a port, or an address such as 127.0.0.1:8080 or [::1]:8080")
        };
        let port = |text: &str| {
            number(text).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
        };
        if address.starts_with(['/', '@']) {
            let path = address.replacen('@', "/", usize::from(address.starts_with('@')));
            if address.len() > LONGEST_SOCKET {
                return Err(refused("which is longer than the 107 bytes of a socket's path"));
            }
            check_path(field, &path, Manager::Systemd)?;
            if path.ends_with('/') || path.trim_end() != path {
                return Err(refused("which ends with a slash or a space"));
            }
            let address = address.to_owned();
            let address = match address.strip_prefix('@') {
                Some(name) => Address::Abstract(name.to_owned()),
                None => Address::Path(address),
            };
            return Ok(Listener { is_datagram, address });
        }
        if let Some(port) = port(address) {
            return Ok(Listener { is_datagram, address: Address::Port(port) });
        }
        let found = address.rsplit_once(':').and_then(|(host, number)| {
            let number = port(number)?;
            match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
                Some(host) => Some(Address::V6(host.parse().ok()?, number)),
                None => Some(Address::V4(host.parse().ok()?, number)),
            }
        });
        let address =
            found.ok_or_else(|| refused("which is neither a path nor a port nor an address"))?;
        Ok(Listener { is_datagram, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_that_count() {
        for (limit, values) in [
            ("memory", ["1", "512M", "16777215T", "100%", "1%"]),
            ("cpu", ["1%", "050%", "100%", "250%", "1000000%"]),
            ("tasks", ["1", "64", "010", "4194304", "99"]),
            ("files", ["1", "4096", "1048576", "2147483584", "007"]),
            ("nice", ["-20", "19", "0", "+5", "5"]),
        ] {
            for value in values {
                assert!(Limit::read(limit, value).is_ok(), "{limit} {value}");
            }
        }
        for (limit, values) in [
            ("memory", ["0", "150%", "0%", "99999999999999999T", "-1"]),
            ("cpu", ["0%", "50", "", "%", "99999999999%"]),
            ("tasks", ["0", "4194305", "99999999999999999999999", "", "1.5"]),
            ("files", ["0", "-1", "99999999999999999999999", "+1", " 1"]),
            ("nice", ["20", "-21", "99", "", "x"]),
        ] {
            for value in values {
                assert!(Limit::read(limit, value).is_err(), "{limit} {value}");
            }
        }
        assert!(matches!(Limit::read("tasks", "010"), Ok(Limit::Tasks(10))));
        assert!(seconds("f", "5217w").is_ok() && seconds("f", "4294967295w").is_err());
    }

    #[test]
    fn listeners_and_accounts_are_written_in_one_way() {
        for text in ["80", "udp:53", "1.2.3.4:5", "[::1]:80", "/run/x", "@x", "udp:/run/x"] {
            assert!(Listener::read("f", text).is_ok(), "{text}");
        }
        let (long, part) = (format!("/run/{}", "x".repeat(103)), "x".repeat(110));
        for text in [
            "",
            "0",
            "0080",
            "+80",
            "65536",
            "999.1.1.1:80",
            "::1:80",
            "1.2.3.4",
            "1.2.3.4:0",
            "[::1]",
            "[::1]:",
            "run/x",
            "@",
            "/",
            "/a/../b",
            "/run/x/",
            "localhost:80",
            "udp:",
            &long,
            &format!("@{part}"),
            "[1.2.3.4]:5",
            "x\u{fdd0}:1",
        ] {
            assert!(Listener::read("f", text).is_err(), "{text}");
        }
        for account in ["root", "www-data", "_x", "0", "1000", "65534", "4294967294"] {
            assert!(check_account("user", account).is_ok(), "{account}");
        }
        for account in ["", "007", "+5", "65535", "4294967295", "a b", "a/c", "-x", "1x", "00"] {
            assert!(check_account("user", account).is_err(), "{account}");
        }
    }
}
