//! Units of systemd as sections of keys and values, and the unit in a given text.
//!
//! The format is that of `systemd.syntax(7)`.

use crate::declaration::{SUFFIXES, check_text};
use crate::problem::Refusal;

/// The longest line that systemd reads.
const LONGEST_LINE: usize = 1 << 20;

/// A unit: its sections in order, each with its keys in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitFile {
    sections: Vec<(String, Vec<(String, String)>)>,
}

impl UnitFile {
    /// Adds a value to a key of a section.
    pub fn add(&mut self, section: &str, key: &str, value: impl Into<String>) {
        let entry = (key.to_owned(), value.into());
        match self.sections.iter_mut().find(|(name, _)| name == section) {
            Some((_, entries)) => entries.push(entry),
            None => self.sections.push((section.to_owned(), vec![entry])),
        }
    }

    /// Sets a key of a section to exactly these values, verbatim.
    ///
    /// # Errors
    /// When the section, the key or a value would be read as something else.
    pub fn set(&mut self, section: &str, key: &str, values: &[String]) -> Result<(), Refusal> {
        let field = format!("unit.{section}.{key}");
        let is_plain = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if !is_plain(section) || !is_plain(key) {
            return Err(Refusal::new(field, "is not a key of systemd")
                .with_hint("for example unit = { Service = { ProtectHome = \"yes\" } }"));
        }
        if let Some((_, entries)) = self.sections.iter_mut().find(|(name, _)| name == section) {
            entries.retain(|(name, _)| name != key);
        }
        for value in values {
            check_line(&field, value)?;
            self.add(section, key, value.trim());
        }
        Ok(())
    }

    /// Returns whether a service can read its configuration again: systemd.service(5).
    pub fn can_reload(&self) -> bool {
        self.values("Service", "ExecReload").any(|value| !value.is_empty())
            || self.values("Service", "Type").any(|value| value == "notify-reload")
    }

    /// Returns the values of a key.
    pub fn values<'a>(
        &'a self,
        section: &'a str,
        key: &'a str,
    ) -> impl Iterator<Item = &'a str> + 'a {
        let entries = self.sections.iter().filter(move |(name, _)| name == section);
        let entries = entries.flat_map(|(_, entries)| entries);
        entries.filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Returns whether it has a section.
    pub fn has_section(&self, section: &str) -> bool {
        self.sections.iter().any(|(name, _)| name == section)
    }

    /// Returns the links that enable it, by its `[Install]` section: their names below the
    /// directory of units. `own` is the name of the unit.
    pub fn install_links(&self, own: &str) -> Vec<String> {
        let words = |key| self.values("Install", key).flat_map(str::split_whitespace);
        let mut links: Vec<String> = Vec::new();
        for (key, kind) in [("WantedBy", "wants"), ("RequiredBy", "requires")] {
            links.extend(words(key).map(|target| format!("{target}.{kind}/{own}")));
        }
        links.extend(words("Alias").filter(|alias| *alias != own).map(str::to_owned));
        links.sort();
        links.dedup();
        links
    }

    /// Checks that what enables it names units: the names become those of links.
    ///
    /// # Errors
    /// When one would lead elsewhere, or systemd would read it as another name.
    pub fn check_install(&self, field: &str) -> Result<(), Refusal> {
        for key in ["WantedBy", "RequiredBy", "Alias"] {
            for name in self.values("Install", key).flat_map(str::split_whitespace) {
                let field = format!("{field}.{key}");
                if name.contains('%') {
                    let why = format!("cannot be {name:?}: `%` is not replaced there");
                    return Err(Refusal::new(field, why).with_hint("write the name of the unit"));
                }
                check_unit_name(&field, name)?;
                if key == "Alias" && !name.ends_with(".service") {
                    let why = format!("cannot be {name:?}, which is not a service");
                    return Err(Refusal::new(field, why));
                }
            }
        }
        Ok(())
    }

    /// Returns the text that systemd reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (section, entries) in self.sections.iter().filter(|(_, entries)| !entries.is_empty()) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("[{section}]\n"));
            for (key, value) in entries {
                text.push_str(&format!("{key}={value}\n"));
            }
        }
        text
    }

    /// Reads a unit as systemd does, as far as sections, comments and continued lines go.
    pub fn parse(text: &str) -> UnitFile {
        let mut file = UnitFile::default();
        let (mut section, mut pending) = (String::new(), String::new());
        for line in text.lines() {
            let trimmed = line.trim_start();
            if trimmed.starts_with('#') || trimmed.starts_with(';') {
                continue;
            }
            if let Some(part) = line.strip_suffix('\\') {
                pending.push_str(part);
                pending.push(' ');
                continue;
            }
            pending.push_str(line);
            let whole = std::mem::take(&mut pending);
            let whole = whole.trim();
            if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if let Some((key, value)) = whole.split_once('=') {
                file.add(&section, key.trim(), value.trim());
            }
        }
        file
    }
}

/// The longest name of a unit whose directory `NAME.requires` a file system can have.
const LONGEST_UNIT_NAME: usize = 246;

/// Checks the whole name of a unit, with its suffix.
///
/// # Errors
/// When systemd has no unit of that name.
pub fn check_unit_name(field: &str, name: &str) -> Result<(), Refusal> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-:@\\".contains(&byte);
    let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    // Of a template, only an instance is a unit.
    let is_whole = stem.is_some_and(|stem| {
        !stem.is_empty() && !stem.starts_with(['.', '@']) && !stem.ends_with('@')
    });
    if !is_whole || !name.bytes().all(is_plain) {
        let why = format!("cannot be {name:?}, which is not a valid unit name");
        return Err(Refusal::new(field, why).with_hint("for example \"network-online.target\""));
    }
    if name.len() > LONGEST_UNIT_NAME {
        let why = format!("is longer than {LONGEST_UNIT_NAME} bytes, too long for a unit");
        return Err(Refusal::new(field, why));
    }
    check_line(field, name)
}

/// Checks that a value is read as it is written: on one line, which ends with it.
///
/// # Errors
/// When it would not be.
pub fn check_line(field: &str, value: &str) -> Result<(), Refusal> {
    check_text(field, value)?;
    if value.ends_with('\\') {
        return Err(Refusal::new(field, "ends with a backslash, which continues the line"));
    }
    if value.len() > LONGEST_LINE - 256 {
        return Err(Refusal::new(field, "is longer than systemd allows in one line"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_is_read_back() {
        let mut file = UnitFile::default();
        file.add("Unit", "Description", "a = b");
        file.add("Service", "ExecStart", "\"/bin/x\" \"\\\\\"");
        file.set("Install", "WantedBy", &["a.target b.target".into(), "c.target".into()]).unwrap();
        assert_eq!(UnitFile::parse(&file.render()), file);
        assert_eq!(
            file.install_links("x.service"),
            ["a.target.wants/x.service", "b.target.wants/x.service", "c.target.wants/x.service"]
        );
        file.set("Service", "ExecStart", &["/bin/y".into()]).unwrap();
        assert_eq!(file.values("Service", "ExecStart").collect::<Vec<_>>(), ["/bin/y"]);
    }

    #[test]
    fn keys_and_values_cannot_begin_lines_of_their_own() {
        let mut file = UnitFile::default();
        for (section, key, value) in [
            ("Service", "ExecStart", "a\nb"),
            ("Service", "ExecStart", "a\\"),
            ("Service", "Exec=x", "a"),
            ("Ser]\n[Unit", "A", "b"),
            ("", "A", "b"),
            ("Service", "", "b"),
            ("Service", "A", "\u{85}"),
        ] {
            assert!(file.set(section, key, &[value.to_owned()]).is_err(), "{section} {key}");
        }
        assert_eq!(file.render(), "");
    }
}
