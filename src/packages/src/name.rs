//! Names of packages, as configs give them.
//!
//! A name becomes an argument of a program, so it must not look like an option, and it must mean
//! one package and not a pattern.

/// The characters besides letters and digits that names of a manager have.
#[derive(Clone, Copy, Debug)]
pub struct Alphabet {
    /// What may begin a name.
    pub first: &'static str,
    /// What may follow.
    pub rest: &'static str,
    /// Whether there are upper-case letters.
    pub upper: bool,
}

impl Alphabet {
    /// Returns why a text cannot be a name, in words that follow the name.
    ///
    /// # Errors
    /// When it is empty, or has a character that names do not have.
    pub fn check(self, name: &str) -> Result<(), String> {
        let is_letter = |letter: char| {
            letter.is_ascii_lowercase()
                || letter.is_ascii_digit()
                || self.upper && letter.is_ascii_uppercase()
        };
        let Some(first) = name.chars().next() else {
            return Err("is empty".to_owned());
        };
        if !is_letter(first) && !self.first.contains(first) {
            return Err(format!("begins with {first:?}"));
        }
        match name.chars().find(|letter| !is_letter(*letter) && !self.rest.contains(*letter)) {
            Some(letter) => Err(format!("contains {letter:?}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: Alphabet = Alphabet { first: "", rest: "+-.", upper: false };

    #[test]
    fn names_are_no_options_and_no_patterns() {
        for name in ["git", "g++", "libstdc++6", "python3.11", "7zip", "a-b"] {
            assert_eq!(DEBIAN.check(name), Ok(()), "{name}");
        }
        for name in ["", "-y", "--purge", "Git", "lib*", "a b", "a;b", "a\n", ".a", "ä", "a/b"] {
            assert!(DEBIAN.check(name).is_err(), "{name}");
        }
        let upper = Alphabet { upper: true, ..DEBIAN };
        assert_eq!(upper.check("NetworkManager"), Ok(()));
    }
}
