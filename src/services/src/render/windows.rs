//! Services and scheduled tasks of Windows.
//!
//! A program that tells its manager that it is ready (`ready = "notify"`) is a service. Any other
//! is a task that the scheduler starts with the machine or the user's session, or by the clock:
//! the format is that of the Task Scheduler schema 1.2. A service is a text of lines `key=value`,
//! which are the settings that the service control manager is given.

use super::calendar::{Calendar, DAYS};
use super::values::seconds;
use super::xml::escaped;
use super::{Role, Unit};
use crate::declaration::{Command, Declaration, Ready, Restart, Scope, check_text};
use crate::problem::Refusal;

pub(super) fn render(declaration: &Declaration) -> Result<Unit, Refusal> {
    for (field, is_there) in [
        ("socket", declaration.socket.is_some()),
        ("environment_files", !declaration.environment_files.is_empty()),
        ("limits", !declaration.limits.is_empty()),
        ("user", declaration.user.is_some()),
        ("group", declaration.group.is_some()),
    ] {
        if is_there {
            return Err(Refusal::new(field, "is not supported on Windows"));
        }
    }
    let is_service = declaration.ready == Ready::Notify;
    if is_service && declaration.directory.is_some() {
        return Err(Refusal::new("directory", "is not supported for services of Windows")
            .with_hint("have the program change to it, or leave `ready` out for a task"));
    }
    if is_service && (declaration.scope == Scope::User || declaration.schedule.is_some()) {
        return Err(Refusal::new(
            "ready",
            "can be \"notify\" only for a service of the system that \
             no schedule starts",
        ));
    }
    let (text, suffix) =
        if is_service { (service(declaration)?, "service") } else { (task(declaration)?, "xml") };
    let directory = match declaration.scope {
        Scope::System => "C:/ProgramData/syslua/services",
        Scope::User => "~/AppData/Local/syslua/services",
    };
    Ok(Unit {
        name: declaration.name.clone(),
        role: Role::Main,
        target: format!("{directory}/{}.{suffix}", declaration.name),
        copy: true,
        text,
        links: Vec::new(),
        starts: declaration.schedule.is_none(),
    })
}

/// Returns an argument as `CommandLineToArgvW` reads it.
pub(super) fn quoted(argument: &str) -> String {
    let is_plain = !argument.is_empty() && !argument.contains([' ', '\t', '"']);
    if is_plain {
        return argument.to_owned();
    }
    let (mut text, mut backslashes) = (String::from("\""), 0);
    for character in argument.chars() {
        match character {
            '\\' => backslashes += 1,
            '"' => {
                // Those before a quote are doubled, and the quote has one of its own.
                text.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        text.push(character);
    }
    text.extend(std::iter::repeat_n('\\', backslashes));
    text.push('"');
    text
}

/// Returns the program and its arguments as one text.
fn command(declaration: &Declaration) -> Result<(String, String), Refusal> {
    let (program, arguments) = match &declaration.command {
        Command::Line(line) => {
            check_text("command", line)?;
            // With /s, cmd takes away the outer quotes and nothing else.
            ("cmd.exe".to_owned(), format!("/d /s /c \"{line}\""))
        }
        Command::Words(words) => {
            let (program, arguments) = words
                .split_first()
                .filter(|(program, _)| !program.is_empty())
                .ok_or_else(|| Refusal::new("command", "is empty"))?;
            for (index, word) in words.iter().enumerate() {
                check_text(&format!("command[{}]", index + 1), word)?;
            }
            if program.contains('"') {
                return Err(Refusal::new("command[1]", "has a quote, which a path cannot contain"));
            }
            let arguments: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
            (program.clone(), arguments.join(" "))
        }
    };
    Ok((program, arguments))
}

fn service(declaration: &Declaration) -> Result<String, Refusal> {
    let (program, arguments) = command(declaration)?;
    let description = declaration.description.as_deref().unwrap_or(&declaration.name);
    check_text("description", description)?;
    let line = format!("{} {arguments}", quoted(&program));
    let restart = if declaration.restart() == Restart::No { "no" } else { "on-failure" };
    let mut text = format!("command={}\n", line.trim_end());
    text.push_str(&format!("description={description}\nstart=auto\nrestart={restart}\n"));
    for (name, value) in &declaration.environment {
        let field = format!("environment.{name}");
        check_text(&field, value)?;
        check_variable(&field, name)?;
        text.push_str(&format!("environment={name}={value}\n"));
    }
    Ok(text)
}

fn check_variable(field: &str, name: &str) -> Result<(), Refusal> {
    check_text(field, name)?;
    if name.is_empty() || name.contains('=') {
        return Err(Refusal::new(field, "cannot be the name of a variable"));
    }
    Ok(())
}

/// Returns a span as XML Schema writes it.
fn duration(field: &str, text: &str) -> Result<String, Refusal> {
    Ok(format!("PT{}S", seconds(field, text)?))
}

fn triggers(declaration: &Declaration) -> Result<String, Refusal> {
    let at_start = match declaration.scope {
        Scope::System => "BootTrigger",
        Scope::User => "LogonTrigger",
    };
    let Some(schedule) = &declaration.schedule else {
        return Ok(format!("    <{at_start}><Enabled>true</Enabled></{at_start}>\n"));
    };
    let mut text = String::new();
    for calendar in &schedule.calendar {
        let calendar = Calendar::parse("schedule.calendar", calendar)?;
        let (hour, repeats) = match calendar.hour {
            Some(hour) => (hour, ""),
            None => (0, "<Repetition><Interval>PT1H</Interval></Repetition>"),
        };
        let start = format!("2000-01-01T{hour:02}:{:02}:00", calendar.minute);
        let by = match (calendar.weekday, calendar.day) {
            (Some(weekday), _) => {
                let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];
                let day = days.get(usize::from(weekday)).copied().unwrap_or("Saturday");
                debug_assert!(day.starts_with(DAYS[usize::from(weekday)]));
                format!(
                    "<ScheduleByWeek><DaysOfWeek><{day}/></DaysOfWeek>\
                     <WeeksInterval>1</WeeksInterval></ScheduleByWeek>"
                )
            }
            (None, Some(day)) => {
                let months = [
                    "January",
                    "February",
                    "March",
                    "April",
                    "May",
                    "June",
                    "July",
                    "August",
                    "September",
                    "October",
                    "November",
                    "December",
                ];
                let months = months.map(|month| format!("<{month}/>")).concat();
                format!(
                    "<ScheduleByMonth><DaysOfMonth><Day>{day}</Day></DaysOfMonth>\
                     <Months>{months}</Months></ScheduleByMonth>"
                )
            }
            (None, None) => {
                "<ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>".to_owned()
            }
        };
        text.push_str(&format!(
            "    <CalendarTrigger>{repeats}<StartBoundary>{start}</StartBoundary>{by}\
             </CalendarTrigger>\n"
        ));
    }
    if let Some(every) = &schedule.every {
        let interval = duration("schedule.every", every)?;
        text.push_str(&format!(
            "    <TimeTrigger><Repetition><Interval>{interval}</Interval></Repetition>\
             <StartBoundary>2000-01-01T00:00:00</StartBoundary></TimeTrigger>\n"
        ));
    }
    if let Some(on_boot) = &schedule.on_boot {
        let delay = duration("schedule.on_boot", on_boot)?;
        text.push_str(&format!("    <{at_start}><Delay>{delay}</Delay></{at_start}>\n"));
    }
    Ok(text)
}

fn task(declaration: &Declaration) -> Result<String, Refusal> {
    if !declaration.environment.is_empty() {
        return Err(Refusal::new("environment", "is not supported by Windows tasks")
            .with_hint("have the command set it, or use ready = \"notify\" for a service"));
    }
    let (program, arguments) = command(declaration)?;
    if program.contains('%') || arguments.contains('%') {
        return Err(Refusal::new("command", "has a `%`, which begins a variable in tasks"));
    }
    let description = declaration.description.as_deref().unwrap_or(&declaration.name);
    let directory = match &declaration.directory {
        Some(directory) => {
            let directory = escaped("directory", directory)?;
            format!("      <WorkingDirectory>{directory}</WorkingDirectory>\n")
        }
        None => String::new(),
    };
    let principal = match declaration.scope {
        Scope::System => "<UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel>",
        Scope::User => "<LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel>",
    };
    let restart = match declaration.restart() {
        Restart::No => "",
        _ => {
            "    <RestartOnFailure><Interval>PT1M</Interval><Count>255</Count></RestartOnFailure>\n"
        }
    };
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\n  \
         <RegistrationInfo><Description>{}</Description></RegistrationInfo>\n  \
         <Triggers>\n{}  </Triggers>\n  \
         <Principals><Principal id=\"Author\">{principal}</Principal></Principals>\n  \
         <Settings>\n    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>\n    \
         <StartWhenAvailable>true</StartWhenAvailable>\n    \
         <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>\n{restart}  </Settings>\n  \
         <Actions Context=\"Author\">\n    <Exec>\n      <Command>{}</Command>\n      \
         <Arguments>{}</Arguments>\n{directory}    </Exec>\n  </Actions>\n</Task>\n",
        escaped("description", description)?,
        triggers(declaration)?,
        escaped("command[1]", &program)?,
        escaped("command", &arguments)?,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Manager, render};
    use super::quoted;
    use crate::declaration::Declaration;

    /// Reads arguments as `CommandLineToArgvW` documents it.
    fn read(line: &str) -> Vec<String> {
        let (mut arguments, mut current) = (Vec::new(), String::new());
        let (mut is_quoted, mut has_begun, mut backslashes) = (false, false, 0);
        for character in line.chars() {
            if character == '\\' {
                backslashes += 1;
                has_begun = true;
                continue;
            }
            if character == '"' {
                current.extend(std::iter::repeat_n('\\', backslashes / 2));
                if backslashes % 2 == 0 {
                    is_quoted = !is_quoted;
                } else {
                    current.push('"');
                }
                has_begun = true;
            } else {
                current.extend(std::iter::repeat_n('\\', backslashes));
                if character == ' ' && !is_quoted {
                    if has_begun {
                        arguments.push(std::mem::take(&mut current));
                    }
                    has_begun = false;
                } else {
                    current.push(character);
                    has_begun = true;
                }
            }
            backslashes = 0;
        }
        current.extend(std::iter::repeat_n('\\', backslashes));
        if has_begun {
            arguments.push(current);
        }
        arguments
    }

    proptest! {
        #[test]
        fn arguments_are_read_as_they_are_written(
            words in prop::collection::vec("[a\\\\ \"b]{0,8}", 0..4),
        ) {
            let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(read(&line), words);
        }
    }

    /// What tells of a task as JSON, by a parser of XML.
    const READ: &str = "import json, sys, xml.etree.ElementTree as tree\n\
                        top = tree.fromstring(sys.stdin.buffer.read())\n\
                        space = '{http://schemas.microsoft.com/windows/2004/02/mit/task}'\n\
                        assert top.tag == space + 'Task', top.tag\n\
                        found = {}\n\
                        for one in top.iter():\n    \
                            name = one.tag.removeprefix(space)\n    \
                            found.setdefault(name, []).append(one.text or '')\n\
                        print(json.dumps(found))";

    /// Reads a task; nothing where there is no Python.
    fn read_task(task: &str) -> Option<serde_json::Value> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("task");
        std::fs::write(&path, task).unwrap();
        let mut child = std::process::Command::new("python3");
        let child = child.args(["-c", READ]).stdin(std::fs::File::open(&path).unwrap());
        let output = child.output().ok()?;
        assert!(output.status.success(), "{task}\n{}", String::from_utf8_lossy(&output.stderr));
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_task_is_read_as_it_is_written(
            words in prop::collection::vec("\\PC{0,12}|[<>&\"' ]{0,6}", 1..4),
            text in "\\PC{1,12}|[<>&\"']{1,6}",
            calendar in "daily|hourly|monthly|Sat 03:30|\\*-\\*-7 04:05",
        ) {
            let mut command = vec!["C:/program files/x.exe".to_owned()];
            command.extend(words.clone());
            let declaration: Declaration = serde_json::from_value(serde_json::json!({
                "name": "web", "scope": "user", "command": command, "description": text.clone(),
                "directory": format!("C:/{text}x"),
                "schedule": { "calendar": [calendar], "every": "15m", "on_boot": "1m" },
            }))
            .unwrap();
            let all = words.concat() + &text;
            match render(&declaration, Manager::Windows) {
                Ok(units) => if let Some(task) = read_task(&units[0].text) {
                    prop_assert_eq!(&task["Command"][0], "C:/program files/x.exe");
                    prop_assert_eq!(read(task["Arguments"][0].as_str().unwrap()), words);
                    prop_assert_eq!(&task["Description"][0], &text);
                    prop_assert_eq!(&task["WorkingDirectory"][0], &format!("C:/{text}x"));
                    prop_assert_eq!(&task["Delay"][0], "PT60S");
                    prop_assert_eq!(task["CalendarTrigger"].as_array().unwrap().len(), 1);
                    prop_assert_eq!(task["TimeTrigger"].as_array().unwrap().len(), 1);
                },
                Err(refusal) => {
                    let is_refused = all.contains(['%', '\u{fffe}', '\u{ffff}']);
                    prop_assert!(is_refused, "{}", refusal);
                }
            }
        }
    }

    #[test]
    fn tasks_and_services() {
        let declared =
            |json: serde_json::Value| -> Declaration { serde_json::from_value(json).unwrap() };
        let task = declared(serde_json::json!({
            "name": "web", "scope": "system", "command": ["C:/x.exe", "a<b", "c d"],
            "schedule": { "calendar": ["Sat 03:30", "*-*-1 04:00"], "every": "15m" },
        }));
        let text = &render(&task, Manager::Windows).unwrap()[0].text;
        for part in
            ["<Saturday/>", "<Day>1</Day>", "PT900S", "<Arguments>a&lt;b \"c d\"</Arguments>"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        let service = declared(serde_json::json!({
            "name": "web", "scope": "system", "command": ["C:/a b.exe"], "ready": "notify",
            "environment": { "A": "x=y" },
        }));
        let text = &render(&service, Manager::Windows).unwrap()[0].text;
        assert!(text.starts_with("command=\"C:/a b.exe\"\n"), "{text}");
        assert!(text.contains("environment=A=x=y\n"), "{text}");
        let refused = declared(serde_json::json!({ "name": "web", "command": ["C:/x", "%A%"] }));
        assert!(render(&refused, Manager::Windows).is_err());
    }
}
