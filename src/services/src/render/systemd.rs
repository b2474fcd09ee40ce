//! Units of systemd: services with their timers and sockets.
//!
//! The formats are those of `systemd.unit(5)`, `systemd.service(5)`, `systemd.exec(5)`,
//! `systemd.timer(5)` and `systemd.socket(5)`. `%` begins a specifier nearly everywhere, `$` a
//! variable in the arguments of commands; quotes and backslashes count where words are separated.

use super::values::{self, Address, Limit, Listener, seconds};
use super::{Manager, Role, Unit};
use crate::declaration::{Command, Declaration, Ready, Restart, Schedule, Scope, Socket};
use crate::declaration::{SUFFIXES, check_text};
use crate::problem::Refusal;
use crate::unit_file::{UnitFile, check_line, check_unit_name};

/// Returns the directory that the manager reads for a scope.
pub(super) fn directory(scope: Scope) -> &'static str {
    match scope {
        Scope::System => "/etc/systemd/system",
        Scope::User => "~/.config/systemd/user",
    }
}

fn usual_target(scope: Scope) -> &'static str {
    match scope {
        Scope::System => "multi-user.target",
        Scope::User => "default.target",
    }
}

pub(super) fn render(declaration: &Declaration) -> Result<Vec<Unit>, Refusal> {
    let mut units = Vec::new();
    let is_started = declaration.schedule.is_some() || declaration.socket.is_some();
    if let Some(socket) = &declaration.socket {
        let file = socket_file(declaration, socket)?;
        units.push(unit(declaration, "socket", Role::Socket, true, &file));
    }
    if let Some(schedule) = &declaration.schedule {
        let file = timer_file(declaration, schedule)?;
        units.push(unit(declaration, "timer", Role::Timer, true, &file));
    }
    let file = service_file(declaration, !is_started)?;
    units.push(unit(declaration, "service", Role::Main, !is_started, &file));
    for section in declaration.unit.keys() {
        let suffix = match section.as_str() {
            "Timer" => "timer",
            "Socket" => "socket",
            _ => continue,
        };
        if !units.iter().any(|unit| unit.name.ends_with(suffix)) {
            let needed = if suffix == "timer" { "schedule" } else { "socket" };
            return Err(Refusal::new(format!("unit.{section}"), format!("needs `{needed}`")));
        }
    }
    Ok(units)
}

pub(super) fn given(name: &str, scope: Scope, text: &str) -> Result<Unit, Refusal> {
    let mut file = UnitFile::parse(text);
    if !file.has_section("Service") {
        return Err(Refusal::new("unit", "has no [Service] section")
            .with_hint("unit = \"[Service]\\nExecStart=/bin/program\\n\", or the path of a file"));
    }
    file.check_install("unit.Install")?;
    if !file.has_section("Install") {
        file.add("Install", "WantedBy", usual_target(scope));
    }
    let name = format!("{name}.service");
    Ok(Unit {
        links: links(&name, scope, &file),
        target: format!("{}/{name}", directory(scope)),
        text: text.to_owned(),
        role: Role::Main,
        copy: false,
        starts: true,
        name,
    })
}

/// Returns a unit whose text does not exist yet. It is enabled in the usual way.
pub(super) fn given_later(name: &str, scope: Scope) -> Unit {
    let mut file = UnitFile::default();
    file.add("Install", "WantedBy", usual_target(scope));
    let name = format!("{name}.service");
    Unit {
        links: links(&name, scope, &file),
        target: format!("{}/{name}", directory(scope)),
        text: String::new(),
        role: Role::Main,
        copy: false,
        starts: true,
        name,
    }
}

fn links(name: &str, scope: Scope, file: &UnitFile) -> Vec<(String, String)> {
    let directory = directory(scope);
    let links = file.install_links(name).into_iter();
    links.map(|link| (format!("{directory}/{link}"), format!("{directory}/{name}"))).collect()
}

fn unit(
    declaration: &Declaration,
    suffix: &str,
    role: Role,
    starts: bool,
    file: &UnitFile,
) -> Unit {
    let name = format!("{}.{suffix}", declaration.name);
    Unit {
        links: links(&name, declaration.scope, file),
        target: format!("{}/{name}", directory(declaration.scope)),
        text: file.render(),
        role,
        copy: false,
        starts,
        name,
    }
}

/// Adds the sections that are given verbatim.
fn add_verbatim(
    file: &mut UnitFile,
    declaration: &Declaration,
    own: &str,
    is_main: bool,
) -> Result<(), Refusal> {
    for (section, entries) in &declaration.unit {
        let is_of_main = !matches!(section.as_str(), "Timer" | "Socket");
        if section == own || is_main && is_of_main {
            for (key, values) in entries {
                file.set(section, key, values)?;
            }
        }
    }
    file.check_install("unit.Install")
}

fn service_file(declaration: &Declaration, is_installed: bool) -> Result<UnitFile, Refusal> {
    let mut file = UnitFile::default();
    add_head(&mut file, declaration, true)?;
    let kind = match declaration.ready {
        Ready::Exec => "exec",
        Ready::Notify => "notify",
        Ready::Forking => "forking",
        Ready::Oneshot => "oneshot",
    };
    file.add("Service", "Type", kind);
    if declaration.ready == Ready::Oneshot && is_installed {
        file.add("Service", "RemainAfterExit", "yes");
    }
    if declaration.ready == Ready::Notify && matches!(declaration.command, Command::Line(_)) {
        // It is a child of the shell that tells.
        file.add("Service", "NotifyAccess", "all");
    }
    file.add("Service", "ExecStart", command_line(&declaration.command)?);
    match declaration.restart() {
        Restart::No => {}
        Restart::OnFailure => file.add("Service", "Restart", "on-failure"),
        Restart::Always => file.add("Service", "Restart", "always"),
    }
    for (name, value) in &declaration.environment {
        let field = format!("environment.{name}");
        let word = quoted(&field, &format!("{name}={value}"), false)?;
        file.add("Service", "Environment", word);
    }
    for (index, path) in declaration.environment_files.iter().enumerate() {
        let field = format!("environment_files[{}]", index + 1);
        let plain = path.strip_prefix('-').unwrap_or(path);
        check_path(&field, plain)?;
        if plain.contains(['*', '?', '[', '\\']) {
            return Err(Refusal::new(field, "has a character that systemd reads as a pattern"));
        }
        let escaped = path.replace('%', "%%");
        file.add("Service", "EnvironmentFile", escaped);
    }
    for (key, account) in [("User", &declaration.user), ("Group", &declaration.group)] {
        if let Some(account) = account {
            file.add("Service", key, account);
        }
    }
    if let Some(directory) = &declaration.directory {
        if directory != "~" {
            check_path("directory", directory)?;
        }
        file.add("Service", "WorkingDirectory", directory.replace('%', "%%"));
    }
    for (limit, value) in &declaration.limits {
        let (key, value) = match Limit::read(limit, value)? {
            Limit::Memory(value) => ("MemoryMax", value),
            Limit::Cpu(percent) => ("CPUQuota", format!("{percent}%")),
            Limit::Tasks(count) => ("TasksMax", count.to_string()),
            Limit::Files(count) => ("LimitNOFILE", count.to_string()),
            Limit::Nice(nice) => ("Nice", nice.to_string()),
        };
        file.add("Service", key, value);
    }
    if is_installed {
        file.add("Install", "WantedBy", usual_target(declaration.scope));
    }
    add_verbatim(&mut file, declaration, "Service", true)?;
    Ok(file)
}

fn add_head(file: &mut UnitFile, declaration: &Declaration, is_main: bool) -> Result<(), Refusal> {
    let description = declaration.description.as_deref().unwrap_or(&declaration.name);
    check_line("description", description)?;
    if description.trim() != description || description.is_empty() {
        return Err(Refusal::new("description", "is empty, or begins or ends with a space"));
    }
    file.add("Unit", "Description", description.replace('%', "%%"));
    if !is_main {
        return Ok(());
    }
    let lists = [
        ("after", "After", &declaration.after),
        ("requires", "Requires", &declaration.requires),
        ("wants", "Wants", &declaration.wants),
    ];
    for (field, key, names) in lists {
        for (index, name) in names.iter().enumerate() {
            let name = unit_name(&format!("{field}[{}]", index + 1), name)?;
            file.add("Unit", key, name);
        }
    }
    Ok(())
}

fn timer_file(declaration: &Declaration, schedule: &Schedule) -> Result<UnitFile, Refusal> {
    let mut file = UnitFile::default();
    add_head(&mut file, declaration, false)?;
    for calendar in &schedule.calendar {
        file.add("Timer", "OnCalendar", calendar.trim());
    }
    if !schedule.calendar.is_empty() {
        file.add("Timer", "Persistent", "true");
    }
    if let Some(every) = &schedule.every {
        let span = span("schedule.every", every)?;
        file.add("Timer", "OnActiveSec", span.clone());
        file.add("Timer", "OnUnitActiveSec", span);
    }
    if let Some(on_boot) = &schedule.on_boot {
        let key = if declaration.scope == Scope::System { "OnBootSec" } else { "OnStartupSec" };
        file.add("Timer", key, span("schedule.on_boot", on_boot)?);
    }
    file.add("Install", "WantedBy", "timers.target");
    add_verbatim(&mut file, declaration, "Timer", false)?;
    Ok(file)
}

fn socket_file(declaration: &Declaration, socket: &Socket) -> Result<UnitFile, Refusal> {
    let mut file = UnitFile::default();
    add_head(&mut file, declaration, false)?;
    let mut has_file = false;
    for (index, listen) in socket.listen.iter().enumerate() {
        let listener = Listener::read(&format!("socket.listen[{}]", index + 1), listen)?;
        let key = if listener.is_datagram { "ListenDatagram" } else { "ListenStream" };
        let address = match listener.address {
            Address::Path(path) => {
                has_file = true;
                path.replace('%', "%%")
            }
            Address::Abstract(name) => format!("@{}", name.replace('%', "%%")),
            Address::Port(port) => port.to_string(),
            Address::V4(host, port) => format!("{host}:{port}"),
            Address::V6(host, port) => format!("[{host}]:{port}"),
        };
        file.add("Socket", key, address);
    }
    if has_file {
        // Otherwise the file stays when the socket is gone.
        file.add("Socket", "RemoveOnStop", "yes");
    }
    file.add("Install", "WantedBy", "sockets.target");
    add_verbatim(&mut file, declaration, "Socket", false)?;
    Ok(file)
}

/// Returns a span of time as systemd reads it.
fn span(field: &str, text: &str) -> Result<String, Refusal> {
    seconds(field, text)?;
    let unit = text.trim_start_matches(|character: char| character.is_ascii_digit());
    let number = text.strip_suffix(unit).unwrap_or(text);
    Ok(format!("{number}{}", if unit == "m" { "min" } else { unit }))
}

/// Returns the name of another unit with its suffix.
fn unit_name(field: &str, name: &str) -> Result<String, Refusal> {
    let has_suffix = SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    let whole = if has_suffix { name.to_owned() } else { format!("{name}.service") };
    check_unit_name(field, &whole)?;
    Ok(whole)
}

/// Checks a path that is written without quotes.
fn check_path(field: &str, path: &str) -> Result<(), Refusal> {
    check_line(field, path)?;
    if path.trim_end() != path {
        return Err(Refusal::new(field, "ends with a space, which systemd leaves out"));
    }
    values::check_path(field, path, Manager::Systemd)
}

/// Returns a word between quotes. Of arguments, `$` begins variables.
fn quoted(field: &str, word: &str, is_argument: bool) -> Result<String, Refusal> {
    check_text(field, word)?;
    let mut text = String::with_capacity(word.len() + 2);
    text.push('"');
    for character in word.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '%' => text.push_str("%%"),
            '$' if is_argument => text.push_str("$$"),
            _ => text.push(character),
        }
    }
    text.push('"');
    check_line(field, &text)?;
    Ok(text)
}

/// Returns a command as `ExecStart=` reads it.
fn command_line(command: &Command) -> Result<String, Refusal> {
    let words: Vec<&str> = match command {
        Command::Line(line) => vec!["/bin/sh", "-c", line],
        Command::Words(words) => words.iter().map(String::as_str).collect(),
    };
    let Some((program, arguments)) = words.split_first() else {
        return Err(Refusal::new("command", "is empty"));
    };
    let mut line = quoted("command[1]", program, false)?;
    for (index, argument) in arguments.iter().enumerate() {
        line.push(' ');
        line.push_str(&quoted(&format!("command[{}]", index + 2), argument, true)?);
    }
    check_line("command", &line)?;
    Ok(line)
}

#[cfg(test)]
#[path = "systemd_tests.rs"]
mod tests;
