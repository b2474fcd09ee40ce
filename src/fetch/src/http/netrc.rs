//! Logins by host, as `~/.netrc` has them. Source of the format: the manual of GNU inetutils,
//! netrc(5).

/// Returns the user and password that a file names for a host, or for every host.
pub fn get_login(text: &str, host: &str) -> Option<(String, String)> {
    let mut found = None;
    let mut words = words(text).into_iter();
    let mut current: Option<(String, String)> = None;
    let mut is_wanted = false;
    while let Some(word) = words.next() {
        match word.as_str() {
            "machine" | "default" => {
                if is_wanted && let Some(login) = current.take() {
                    found.get_or_insert(login);
                }
                is_wanted = word == "default"
                    || words.next().is_some_and(|name| name.eq_ignore_ascii_case(host));
                current = is_wanted.then(Default::default);
            }
            "login" | "password" | "account" => {
                let value = words.next().unwrap_or_default();
                match (&mut current, word.as_str()) {
                    (Some((user, _)), "login") => *user = value,
                    (Some((_, password)), "password") => *password = value,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    if is_wanted && let Some(login) = current {
        found.get_or_insert(login);
    }
    found
}

/// Splits into words; comments, quotes, and the bodies of macros are understood.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut in_macro = false;
    for line in text.lines() {
        if in_macro {
            // A macro ends at an empty line.
            in_macro = !line.trim().is_empty();
            continue;
        }
        let mut characters = line.chars().peekable();
        loop {
            while characters.next_if(|character| character.is_whitespace()).is_some() {}
            let Some(first) = characters.peek().copied() else { break };
            if first == '#' {
                break;
            }
            let mut word = String::new();
            if characters.next_if_eq(&'"').is_some() {
                while let Some(character) = characters.next() {
                    match character {
                        '"' => break,
                        '\\' => word.extend(characters.next()),
                        other => word.push(other),
                    }
                }
            } else {
                while let Some(character) =
                    characters.next_if(|character| !character.is_whitespace())
                {
                    word.push(character);
                }
            }
            if word == "macdef" {
                in_macro = true;
                break;
            }
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\nmachine one.example login ada password s3cret\nmacdef init\n\
        machine evil login x\n\nmachine two.example\n  login bob # his\n  password \"with \
        \\\"space\\\" in\"\nmachine one.example login late password late\n\
        default login anonymous password me@";

    fn login(host: &str) -> (String, String) {
        get_login(FILE, host).unwrap()
    }

    #[test]
    fn the_first_entry_of_a_host_counts() {
        assert_eq!(login("one.example"), ("ada".into(), "s3cret".into()));
        assert_eq!(login("TWO.example"), ("bob".into(), "with \"space\" in".into()));
        assert_eq!(login("evil"), ("anonymous".into(), "me@".into()));
    }

    #[test]
    fn a_host_without_entry_has_no_login() {
        assert_eq!(get_login("machine one login a password b", "two"), None);
        assert_eq!(get_login("machine", "two"), None);
        assert_eq!(get_login("", "two"), None);
    }
}
