//! Calendar expressions of systemd, as `systemd.time(7)` describes them: which ones systemd reads,
//! and which ones come to pass at all.

use crate::problem::Refusal;

/// The years that systemd counts.
const YEARS: (u32, u32) = (1970, 2199);
const WORDS: [&str; 12] = [
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "semiannually",
    "semi-annually",
    "biannually",
    "bi-annually",
    "yearly",
    "annually",
];
const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// One part of a component: a value, or a range with a step.
#[derive(Clone, Copy, Debug)]
struct Part {
    start: u32,
    stop: Option<u32>,
    step: u32,
}

/// A component of a date or a time; nothing is any value.
type Component = Option<Vec<Part>>;

#[derive(Debug, Default)]
struct Date {
    /// Monday is 0; empty is each day.
    weekdays: Vec<u32>,
    year: Component,
    month: Component,
    day: Component,
    /// Whether days count from the end of the month.
    from_end: bool,
}

/// Checks an expression.
///
/// # Errors
/// When systemd does not read it, or it never comes to pass.
pub(super) fn check(field: &str, text: &str) -> Result<(), Refusal> {
    let Some(date) = read(text.trim()) else {
        let why = format!("cannot be {text:?}, which is not a calendar expression");
        return Err(Refusal::new(field, why)
            .with_hint("for example \"Mon *-*-* 03:00\", \"*:0/15\" or \"daily\""));
    };
    if date.is_some_and(|date| !date.exists()) {
        let why = format!("cannot be {text:?}, which never comes to pass");
        return Err(Refusal::new(field, why).with_hint("no day is like that"));
    }
    Ok(())
}

/// Reads an expression: its date, if it names one.
fn read(text: &str) -> Option<Option<Date>> {
    let text = without_zone(text)?;
    if WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Some(None);
    }
    if let Some(moment) = text.strip_prefix('@') {
        let is_number = !moment.is_empty() && moment.bytes().all(|byte| byte.is_ascii_digit());
        // The end of the last year.
        return (is_number && moment.parse::<u64>().ok()? < 7_258_118_400).then_some(None);
    }
    let mut date = Date::default();
    let mut words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    if text.contains(|character: char| character.is_whitespace() && character != ' ') {
        return None;
    }
    if words.first()?.starts_with(|first: char| first.is_ascii_alphabetic()) {
        date.weekdays = weekdays(words.remove(0))?;
    }
    if words.first().is_some_and(|word| !word.contains(':')) {
        read_date(words.remove(0), &mut date)?;
    }
    if let Some(time) = words.first() {
        words.get(1).is_none().then_some(())?;
        read_time(time)?;
    }
    Some(Some(date))
}

/// Returns the expression without the time zone at its end.
fn without_zone(text: &str) -> Option<&str> {
    let Some((rest, last)) = text.rsplit_once(' ') else { return Some(text) };
    let is_zone = last.starts_with(|first: char| first.is_ascii_alphabetic())
        && (last.eq_ignore_ascii_case("utc") || weekdays(last).is_none());
    if !is_zone {
        return Some(text);
    }
    (last.eq_ignore_ascii_case("utc") || is_zone_of_here(last)).then(|| rest.trim_end())
}

/// Returns whether the machine knows a time zone. Without a table all are taken that are written
/// like one.
fn is_zone_of_here(zone: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
    #[expect(clippy::disallowed_methods, reason = "looks at a table of the system")]
    let is_known = |table: &std::path::Path| !table.is_dir() || table.join(zone).is_file();
    zone.bytes().all(is_plain)
        && !zone.ends_with('/')
        && is_known(std::path::Path::new("/usr/share/zoneinfo"))
}

fn weekdays(text: &str) -> Option<Vec<u32>> {
    let number = |name: &str| -> Option<u32> {
        let name = name.to_ascii_lowercase();
        let found = WEEKDAYS.iter().position(|day| *day == name || day.get(..3) == Some(&name));
        found.and_then(|found| u32::try_from(found).ok())
    };
    let mut days = Vec::new();
    for part in text.split(',') {
        match part.split_once("..") {
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(())?;
                days.extend(first..=last);
            }
            None => days.push(number(part)?),
        }
    }
    Some(days)
}

/// Reads the values of a component, between two bounds.
fn component(text: &str, (least, most): (u32, u32), from_end: bool) -> Option<Component> {
    if text == "*" {
        return Some(None);
    }
    let number = |text: &str| -> Option<u32> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|_| is_number)?;
        // Two digits of a year are those of a century.
        Some(match number {
            0..70 if least == YEARS.0 => number + 2000,
            70..100 if least == YEARS.0 => number + 1900,
            _ => number,
        })
    };
    // No month has a day more than 28 from its end in each year.
    let most = if from_end { most - 3 } else { most };
    let mut parts = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let is_number = step.bytes().all(|byte| byte.is_ascii_digit());
                (range, step.parse().ok().filter(|step| *step > 0 && is_number)?)
            }
            None => (part, 0),
        };
        let (start, stop) = match range.split_once("..") {
            Some((start, stop)) => (number(start)?, Some(number(stop)?)),
            None => (number(range)?, None),
        };
        let is_within = |value: u32| (least..=most).contains(&value);
        let is_last_within = match stop {
            Some(stop) => is_within(stop) && start + step <= stop,
            None if from_end => start >= least + step,
            None => start + step <= most,
        };
        (is_within(start) && step <= most - least && is_last_within).then_some(())?;
        parts.push(Part { start, stop, step });
    }
    Some(Some(parts))
}

fn read_date(text: &str, date: &mut Date) -> Option<()> {
    date.from_end = text.contains('~');
    let (front, day) = match text.split_once('~') {
        Some((front, day)) => (front, day),
        None => text.rsplit_once('-')?,
    };
    let (year, month) = match front.split_once('-') {
        Some((year, month)) => (Some(year), month),
        None => (None, front),
    };
    date.year = match year {
        Some(year) => component(year, YEARS, false)?,
        None => None,
    };
    date.month = component(month, (1, 12), false)?;
    date.day = component(day, (1, 31), date.from_end)?;
    Some(())
}

fn read_time(text: &str) -> Option<()> {
    let mut parts = text.split(':');
    component(parts.next()?, (0, 23), false)?;
    component(parts.next()?, (0, 59), false)?;
    if let Some(seconds) = parts.next() {
        read_seconds(seconds)?;
    }
    parts.next().is_none().then_some(())
}

/// Reads seconds, which may have a fraction of six digits.
fn read_seconds(text: &str) -> Option<()> {
    if !text.contains('.') || !text.replace("..", "").contains('.') {
        return component(text, (0, 59), false).map(drop);
    }
    // Only a single moment has a fraction here.
    let (whole, fraction) = text.split_once('.')?;
    component(whole, (0, 59), false)??;
    let is_fraction =
        (1..=6).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    (is_fraction && whole.bytes().all(|byte| byte.is_ascii_digit())).then_some(())
}

fn has(component: &Component, value: u32) -> bool {
    let Some(parts) = component else { return true };
    parts.iter().any(|part| match (part.stop, part.step) {
        (None, 0) => value == part.start,
        (stop, step) => {
            value >= part.start
                && stop.is_none_or(|stop| value <= stop)
                && (value - part.start).is_multiple_of(step.max(1))
        }
    })
}

impl Date {
    /// Returns whether there is such a day.
    fn exists(&self) -> bool {
        // The first day of 1970 is a Thursday.
        let mut weekday = 3;
        for year in YEARS.0..=YEARS.1 {
            let is_leap =
                year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            for month in 1..=12 {
                let length = match month {
                    2 if is_leap => 29,
                    2 => 28,
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                for day in 1..=length {
                    let is_weekday = self.weekdays.is_empty() || self.weekdays.contains(&weekday);
                    weekday = (weekday + 1) % 7;
                    let is_day = if self.from_end {
                        self.has_from_end(length + 1 - day)
                    } else {
                        has(&self.day, day)
                    };
                    if is_weekday && is_day && has(&self.month, month) && has(&self.year, year) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Returns whether a day counts by its distance from the end of its month: steps lead to the
    /// end.
    fn has_from_end(&self, last: u32) -> bool {
        let Some(parts) = &self.day else { return true };
        parts.iter().any(|part| match (part.stop, part.step) {
            (None, 0) => last == part.start,
            (None, step) => last <= part.start && (part.start - last).is_multiple_of(step),
            (Some(stop), _) => (part.start..=stop).contains(&last),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::check;

    /// Returns whether systemd reads an expression, and it comes to pass; nothing where systemd is
    /// not installed.
    fn of_systemd(text: &str) -> Option<(bool, bool)> {
        let mut command = Command::new("systemd-analyze");
        command.args(["calendar", "--base-time=1970-01-02", "--", text]).env("LC_ALL", "C");
        let output = command.output().ok()?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        Some((output.status.success(), !told.contains("Next elapse: never")))
    }

    #[test]
    fn expressions_are_those_that_systemd_reads() {
        for text in [
            "daily",
            "Weekly",
            "bi-annually",
            "Mon 03:00",
            "Mon..Fri,Sun *-*-* 03:00",
            "*:0/15",
            "*-*-1..7 18:00:00",
            "03-05",
            "*-02~03",
            "Sat,Thu,Mon..Wed,Sat..Sun",
            "2026-1,7-*",
            "12..14:10,20,30",
            "05:40:23.4200",
            "@123",
            "*-02-29",
            "Mon *-05~07/1",
            "daily UTC",
            "monday",
            "0/2:00",
            "10-15 UTC",
            "1-2-3 4:5:6",
        ] {
            assert_eq!(check("f", text), Ok(()), "{text}");
            assert_ne!(of_systemd(text), Some((false, true)), "{text}");
        }
        for text in [
            "",
            "25:00",
            "evry day",
            "daily,",
            "*-02-30",
            "*-13-01",
            "1:60",
            "*/5:00",
            "*-*-32",
            "Mon..",
            "Fri..Mon",
            "2026",
            "12",
            "@",
            "@x",
            "Mon Tue",
            "daily Mars/Base",
            "0:0:60",
            "*-*-*T03:00",
            "Mon 2026-11-03",
            "1969-01-01",
            "*:0/0",
            "*:50/15",
            "5..3:00",
            "a:b",
            "*-*-* 03:00 04:00",
            "-1:00",
            "*-04,06-31",
            "*-*~30",
            "1:00:00.1234567",
        ] {
            assert!(check("f", text).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_taken_systemd_takes_too(
            days in "(|Mon |Tue,Fri |Wed..Sun |sat..mon )",
            date in "(|\\*-\\*-\\* |[0-9*]{1,2}-[0-9]{1,2} |\\*-[0-9]{1,2}[-~][0-9/,.]{1,4} )",
            time in "(|[0-9*]{1,2}:[0-9/,.]{1,5}|[0-9]{1,2}:[0-9*]{2}:[0-9.]{1,4})",
        ) {
            let text = format!("{days}{date}{time}");
            if check("f", &text).is_ok() {
                let found = of_systemd(text.trim());
                prop_assert!(found.is_none_or(|(is_read, comes)| is_read && comes), "{}", text);
            }
        }
    }
}
