//! Points in time that come again, as far as launchd and Windows know them: hourly, daily, on a day
//! of the week, on a day of the month.

use crate::problem::Refusal;

/// A point in time that comes again. What is absent is each one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calendar {
    /// The day of the week; Sunday is 0.
    pub weekday: Option<u8>,
    /// The day of the month.
    pub day: Option<u8>,
    /// The hour.
    pub hour: Option<u8>,
    /// The minute.
    pub minute: u8,
}

/// The days as systemd calls them, Sunday first.
pub(super) const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

impl Calendar {
    /// Reads what systemd would read the same.
    ///
    /// # Errors
    /// When it is more than is known here.
    pub(super) fn parse(field: &str, text: &str) -> Result<Calendar, Refusal> {
        let midnight = Calendar { hour: Some(0), ..Calendar::default() };
        let text = text.trim();
        match text {
            "hourly" => return Ok(Calendar::default()),
            "daily" => return Ok(midnight),
            "weekly" => return Ok(Calendar { weekday: Some(1), ..midnight }),
            "monthly" => return Ok(Calendar { day: Some(1), ..midnight }),
            _ => {}
        }
        let unknown = || {
            Refusal::new(field, format!("cannot be {text:?}, which this system cannot express"))
                .with_hint(
                    "\"hourly\", \"daily\", \"weekly\", \"monthly\", \"03:30\", \"Mon 03:30\"",
                )
        };
        let mut calendar = Calendar::default();
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let time = words.pop().ok_or_else(unknown)?;
        for word in words {
            if let Some(day) = DAYS.iter().position(|day| word.eq_ignore_ascii_case(day)) {
                calendar.weekday = u8::try_from(day).ok();
            } else if let Some(day) = word.strip_prefix("*-*-").filter(|day| *day != "*") {
                let day = day.parse().ok().filter(|day| (1..=31).contains(day));
                calendar.day = Some(day.ok_or_else(unknown)?);
            } else if word != "*-*-*" {
                return Err(unknown());
            }
        }
        if calendar.weekday.is_some() && calendar.day.is_some() {
            return Err(unknown());
        }
        let time = time.strip_suffix(":00").filter(|rest| rest.contains(':')).unwrap_or(time);
        let (hour, minute) = time.split_once(':').ok_or_else(unknown)?;
        let number = |text: &str, limit: u8| {
            let is_short = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u8>().ok().filter(|number| is_short && *number < limit)
        };
        calendar.hour = match hour {
            "*" => None,
            _ => Some(number(hour, 24).ok_or_else(unknown)?),
        };
        calendar.minute = number(minute, 60).ok_or_else(unknown)?;
        Ok(calendar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendars_are_those_that_all_know() {
        let read = |text| Calendar::parse("calendar", text);
        assert_eq!(read("Mon 03:30").unwrap().weekday, Some(1));
        assert_eq!(read("*-*-* 03:30:00").unwrap().hour, Some(3));
        assert_eq!(read("*-*-15 4:05").unwrap().day, Some(15));
        assert_eq!(read("*:15").unwrap(), Calendar { minute: 15, ..Calendar::default() });
        for text in
            ["", "Mon..Fri 03:00", "*-*-32 1:00", "25:00", "1:60", "2026-01-01 1:00", "+1:00"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
