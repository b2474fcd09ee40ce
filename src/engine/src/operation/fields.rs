//! The fields of a request, as a config gives them: data with names, and no placeholders.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Error, Result};
use crate::hash::Hash;
use crate::platform;

/// A value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// A text.
    Bytes(Vec<u8>),
    /// A number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// Several values in order.
    List(Vec<Field>),
    /// Several values with names.
    Table(Fields),
}

/// Fields by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(BTreeMap<Vec<u8>, Field>);

impl FromIterator<(Vec<u8>, Field)> for Fields {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Field)>>(fields: I) -> Fields {
        Fields(fields.into_iter().collect())
    }
}

/// The Lua side checks what configs give: these errors are its own.
fn malformed(name: &str, expected: &str) -> Error {
    Error::Malformed(format!("the field `{name}` of a request is not {expected}"))
}

fn utf8(bytes: Vec<u8>, what: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::Refused { what: format!("{what} is not UTF-8") })
}

impl Fields {
    /// Returns whether a field is given.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&Field> {
        self.0.get(name.as_bytes())
    }

    /// Returns a text of any bytes, if it is given.
    ///
    /// # Errors
    /// When it is something else.
    pub fn optional_bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.get(name) {
            None => Ok(None),
            Some(Field::Bytes(bytes)) => Ok(Some(bytes.clone())),
            Some(_) => Err(malformed(name, "a text")),
        }
    }

    /// Returns a text of any bytes.
    ///
    /// # Errors
    /// When it is missing, or something else.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        self.optional_bytes(name)?.ok_or_else(|| malformed(name, "given"))
    }

    /// Returns a path.
    ///
    /// # Errors
    /// When it is missing, or something else.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        Ok(platform::path_from_bytes(&self.bytes(name)?))
    }

    /// Returns a path, if it is given.
    ///
    /// # Errors
    /// When it is something else.
    pub fn optional_path(&self, name: &str) -> Result<Option<PathBuf>> {
        Ok(self.optional_bytes(name)?.map(|bytes| platform::path_from_bytes(&bytes)))
    }

    /// Returns a text.
    ///
    /// # Errors
    /// When it is not UTF-8, or missing.
    pub fn text(&self, name: &str) -> Result<String> {
        utf8(self.bytes(name)?, &format!("`{name}`"))
    }

    /// Returns a text, if it is given.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn optional_text(&self, name: &str) -> Result<Option<String>> {
        self.optional_bytes(name)?.map(|bytes| utf8(bytes, &format!("`{name}`"))).transpose()
    }

    /// Returns a list of texts of any bytes; an empty one if it is not given.
    ///
    /// # Errors
    /// When it is something else.
    pub fn list(&self, name: &str) -> Result<Vec<Vec<u8>>> {
        let text = |item: &Field| match item {
            Field::Bytes(bytes) => Ok(bytes.clone()),
            _ => Err(malformed(name, "a list of texts")),
        };
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Field::List(items)) => items.iter().map(text).collect(),
            // A table of Lua without entries may be either.
            Some(Field::Table(table)) if table.0.is_empty() => Ok(Vec::new()),
            Some(_) => Err(malformed(name, "a list")),
        }
    }

    /// Returns a list of texts; `what` is one of them in words.
    ///
    /// # Errors
    /// When one is not UTF-8.
    pub fn texts(&self, name: &str, what: &str) -> Result<Vec<String>> {
        self.list(name)?.into_iter().map(|bytes| utf8(bytes, what)).collect()
    }

    /// Returns a table; an empty one if it is not given.
    ///
    /// # Errors
    /// When it is something else.
    pub fn table(&self, name: &str) -> Result<Fields> {
        match self.get(name) {
            None => Ok(Fields::default()),
            Some(Field::Table(table)) => Ok(table.clone()),
            Some(_) => Err(malformed(name, "a table")),
        }
    }

    /// Returns the texts by name.
    ///
    /// # Errors
    /// When one is something else.
    pub fn into_texts(self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let text = |(name, field): (Vec<u8>, Field)| match field {
            Field::Bytes(bytes) => Ok((name, bytes)),
            _ => Err(malformed(&String::from_utf8_lossy(&name), "a text")),
        };
        self.0.into_iter().map(text).collect()
    }

    /// Returns a number, if it is given.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&self, name: &str) -> Result<Option<f64>> {
        match self.get(name) {
            None => Ok(None),
            Some(Field::Number(number)) => Ok(Some(*number)),
            Some(_) => Err(malformed(name, "a number")),
        }
    }

    /// Returns a whole number from 0 on, if it is given.
    ///
    /// # Errors
    /// When it is something else, or too large.
    pub fn integer<T: TryFrom<u64>>(&self, name: &str) -> Result<Option<T>> {
        /// Above this, floats skip whole numbers.
        const GREATEST: f64 = 9_007_199_254_740_992.0;
        let Some(number) = self.number(name)? else { return Ok(None) };
        let is_whole = number.fract() == 0.0 && (0.0..=GREATEST).contains(&number);
        let whole = Some(number as u64).filter(|_| is_whole);
        let whole = whole.and_then(|whole| T::try_from(whole).ok());
        whole.map(Some).ok_or_else(|| malformed(name, "a whole number"))
    }

    /// Returns whether a flag is set; by default it is not.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(Field::Flag(flag)) => Ok(*flag),
            Some(_) => Err(malformed(name, "a boolean")),
        }
    }

    /// Returns a hash, if it is given; `hint` says where to get one.
    ///
    /// # Errors
    /// When it does not read as one.
    pub fn hash(&self, name: &str, hint: &'static str) -> Result<Option<Hash>> {
        let Some(bytes) = self.optional_bytes(name)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Hash::parse(&text).map(Some).map_err(|error| Error::InvalidHash { error, hint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Explain, FailureKind};

    fn fields(of: impl IntoIterator<Item = (&'static str, Field)>) -> Fields {
        of.into_iter().map(|(name, field)| (name.as_bytes().to_vec(), field)).collect()
    }

    fn text(text: &str) -> Field {
        Field::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn fields_are_read_by_type() {
        let inner = fields([("A", text("1"))]);
        let all = fields([
            ("text", text("t")),
            ("number", Field::Number(7.0)),
            ("flag", Field::Flag(true)),
            ("list", Field::List(vec![text("a"), text("b")])),
            ("table", Field::Table(inner)),
            ("empty", Field::Table(Fields::default())),
        ]);
        assert_eq!(all.text("text").unwrap(), "t");
        assert_eq!(all.path("text").unwrap(), PathBuf::from("t"));
        assert_eq!(all.integer::<u32>("number").unwrap(), Some(7));
        assert!(all.flag("flag").unwrap());
        assert_eq!(all.texts("list", "it").unwrap(), ["a", "b"]);
        let texts = all.table("table").unwrap().into_texts().unwrap();
        assert_eq!(texts, BTreeMap::from([(b"A".to_vec(), b"1".to_vec())]));
        assert!(all.table("empty").unwrap().into_texts().unwrap().is_empty());
        assert!(all.list("empty").unwrap().is_empty());
        assert!(!all.has("nothing") && !all.flag("nothing").unwrap());
        assert_eq!(all.optional_text("nothing").unwrap(), None);
        assert_eq!(all.integer::<u32>("nothing").unwrap(), None);
    }

    #[test]
    fn what_the_lua_side_should_not_send_is_an_internal_error() {
        let all = fields([
            ("text", text("t")),
            ("large", Field::Number(9_007_199_254_740_994.0)),
            ("broken", Field::Number(0.5)),
            ("mode", Field::Number(4_294_967_296.0)),
        ]);
        for error in [
            all.bytes("nothing").unwrap_err(),
            all.bytes("large").unwrap_err(),
            all.flag("text").unwrap_err(),
            all.list("text").unwrap_err(),
            all.table("text").unwrap_err(),
            all.number("text").unwrap_err(),
            all.integer::<u64>("large").unwrap_err(),
            all.integer::<u64>("broken").unwrap_err(),
            all.integer::<u32>("mode").unwrap_err(),
        ] {
            assert_eq!(error.kind(), FailureKind::Internal, "{error}");
        }
    }

    #[test]
    fn texts_and_hashes_are_errors_of_the_config() {
        let all = fields([
            ("text", Field::Bytes(vec![0xff])),
            ("list", Field::List(vec![Field::Bytes(vec![0xff])])),
            ("hash", text("abc")),
        ]);
        let error = all.text("text").unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (FailureKind::Build, "`text` is not UTF-8")
        );
        let error = all.texts("list", "a mirror's address").unwrap_err();
        assert_eq!(error.to_string(), "a mirror's address is not UTF-8");
        let error = all.hash("hash", "where").unwrap_err();
        assert_eq!((error.kind(), error.hint().as_deref()), (FailureKind::Build, Some("where")));
    }
}
