//! Points in time as YAML and SOPS write them, without a calendar library: they are checked and
//! brought into one form.

use std::time::{SystemTime, UNIX_EPOCH};

/// Reads one of the forms that SOPS takes for a time and returns it as RFC 3339 writes it:
/// `2024-1-2` is `2024-01-02T00:00:00Z`. None when it is something else.
pub(crate) fn parse(text: &str) -> Option<String> {
    let mut rest = Reader(text.as_bytes());
    let year = rest.number(4, 4)?;
    rest.expect(b"-")?;
    let month = rest.number(1, 2)?;
    rest.expect(b"-")?;
    let day = rest.number(1, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.0.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let separator = rest.expect(b"Tt ")?;
    let hour = rest.number(1, 2)?;
    rest.expect(b":")?;
    let minute = rest.number(1, 2)?;
    rest.expect(b":")?;
    let second = rest.number(1, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = rest.fraction()?;
    // A form with a space has no zone.
    let zone =
        if separator == b' ' { rest.0.is_empty().then(|| "Z".to_owned())? } else { rest.zone()? };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
}

/// The same without fractions of a second, as `lastmodified` counts for the MAC.
pub(crate) fn seconds(text: &str) -> Option<String> {
    let whole = parse(text)?;
    let Some(dot) = whole.find('.') else { return Some(whole) };
    let end = whole[dot..].find(['Z', '+', '-']).map_or(whole.len(), |length| dot + length);
    Some(format!("{}{}", &whole[..dot], &whole[end..]))
}

/// Now, in UTC.
pub(crate) fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    from_unix(seconds)
}

fn from_unix(seconds: u64) -> String {
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 1;
    while days >= u64::from(days_of(year, month)) {
        days -= u64::from(days_of(year, month));
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let length = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if length < least {
            return None;
        }
        let number = std::str::from_utf8(&self.0[..length]).ok()?.parse().ok()?;
        self.0 = &self.0[length..];
        Some(number)
    }

    fn expect(&mut self, any: &[u8]) -> Option<u8> {
        let first = *self.0.first().filter(|byte| any.contains(byte))?;
        self.0 = &self.0[1..];
        Some(first)
    }

    /// A fraction without the zeros at its end, nothing when there is none.
    fn fraction(&mut self) -> Option<String> {
        if self.0.first() != Some(&b'.') {
            return Some(String::new());
        }
        let digits = self.0[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        let text = std::str::from_utf8(&self.0[1..=digits]).ok()?.trim_end_matches('0').to_owned();
        self.0 = &self.0[1 + digits..];
        Some(if text.is_empty() { text } else { format!(".{text}") })
    }

    fn zone(&mut self) -> Option<String> {
        if self.0 == b"Z" {
            return Some("Z".to_owned());
        }
        let sign = self.expect(b"+-")?;
        let hours = self.number(2, 2)?;
        self.expect(b":")?;
        let minutes = self.number(2, 2)?;
        if hours > 24 || minutes > 60 || !self.0.is_empty() {
            return None;
        }
        if hours == 0 && minutes == 0 {
            return Some("Z".to_owned());
        }
        Some(format!("{}{hours:02}:{minutes:02}", char::from(sign)))
    }
}

#[cfg(test)]
mod tests {
    use super::{from_unix, parse, seconds};

    #[test]
    fn the_forms_of_yaml_are_brought_into_one() {
        for (given, expected) in [
            ("2024-1-2", Some("2024-01-02T00:00:00Z")),
            ("2024-02-29", Some("2024-02-29T00:00:00Z")),
            ("2023-02-29", None),
            ("2024-01-02 3:04:05", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02T03:04:05.120+02:00", Some("2024-01-02T03:04:05.12+02:00")),
            ("2024-01-02T03:04:05+00:00", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02 03:04:05 -5", None),
            ("2024-13-01", None),
            ("20240-1-1", None),
        ] {
            assert_eq!(parse(given).as_deref(), expected, "{given}");
        }
        assert_eq!(
            seconds("2024-01-02T03:04:05.5-01:00").as_deref(),
            Some("2024-01-02T03:04:05-01:00")
        );
    }

    #[test]
    fn a_second_since_1970_is_a_date() {
        assert_eq!(from_unix(0), "1970-01-01T00:00:00Z");
        assert_eq!(from_unix(1_709_210_096), "2024-02-29T12:34:56Z");
    }
}
