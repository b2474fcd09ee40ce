//! What the outputs of a derivation became, as records and snapshots hold it: `{"out": OBJECT}`.
//!
//! Where pins belong to it, a snapshot has `{"pins": {KEY: HASH}, "outputs": {"out": OBJECT}}`, and
//! a record `"@pins"` beside the outputs. A record of several results is a list of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use litemap::LiteMap;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::{ObjectName, OutputName};
use crate::pins::PinnedHashes;
use crate::platform::jail::Level;

/// The objects that the outputs of a derivation became: at least one when they are read, and hardly
/// ever more. Two are equal when the objects are.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    objects: LiteMap<OutputName, ObjectName>,
    level: Level,
    pins: PinnedHashes,
    own_pins: Option<PinnedHashes>,
}

/// The keys of the level and of pins in a record. No output has such a name.
const LEVEL: &str = "@sandbox";
const PINS: &str = "@pins";
/// The keys of a snapshot, where pins belong to outputs. An output may have such a name: then its
/// object is a string.
const NAMED_PINS: &str = "pins";
const NAMED_OUTPUTS: &str = "outputs";

/// Outputs as a record has them: with their level and pins.
pub struct Recorded<'a>(pub &'a Outputs);

/// All results of one record.
#[derive(Clone, Debug, Default)]
pub struct Results(pub Vec<Outputs>);

impl Outputs {
    /// Returns the objects.
    pub fn values(&self) -> impl Iterator<Item = &ObjectName> {
        self.objects.values()
    }

    /// Returns how far the programs were confined that built them, and what they were built from.
    /// Only records tell.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns the same outputs with another level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Outputs {
        Outputs { level, ..self }
    }

    /// Returns the pins that their build and all that it was built from used; of what was read from
    /// the record of a resolved hash those of the build alone.
    pub fn pins(&self) -> &PinnedHashes {
        &self.pins
    }

    /// Returns the pins that their build itself used, where that is known.
    pub fn own_pins(&self) -> Option<&PinnedHashes> {
        self.own_pins.as_ref().or_else(|| self.pins.is_empty().then_some(&self.pins))
    }

    /// Returns the same outputs with other pins: those of the build itself, where they are known,
    /// and all of them.
    #[must_use]
    pub fn with_pins(self, own_pins: Option<PinnedHashes>, pins: PinnedHashes) -> Outputs {
        Outputs { own_pins, pins, ..self }
    }
}

impl Deref for Outputs {
    type Target = LiteMap<OutputName, ObjectName>;

    fn deref(&self) -> &LiteMap<OutputName, ObjectName> {
        &self.objects
    }
}

impl DerefMut for Outputs {
    fn deref_mut(&mut self) -> &mut LiteMap<OutputName, ObjectName> {
        &mut self.objects
    }
}

impl FromIterator<(OutputName, ObjectName)> for Outputs {
    fn from_iter<I: IntoIterator<Item = (OutputName, ObjectName)>>(outputs: I) -> Outputs {
        Outputs { objects: outputs.into_iter().collect(), ..Outputs::default() }
    }
}

impl IntoIterator for Outputs {
    type Item = (OutputName, ObjectName);
    type IntoIter = std::vec::IntoIter<(OutputName, ObjectName)>;

    fn into_iter(self) -> Self::IntoIter {
        self.objects.into_tuple_vec().into_iter()
    }
}

impl<'a> IntoIterator for &'a Outputs {
    type Item = (&'a OutputName, &'a ObjectName);
    type IntoIter = <&'a LiteMap<OutputName, ObjectName> as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (&self.objects).into_iter()
    }
}

impl Serialize for Outputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(NAMED_PINS, &self.pins)?;
        map.serialize_entry(NAMED_OUTPUTS, &Objects(self))?;
        map.end()
    }
}

struct Objects<'a>(&'a Outputs);

impl Serialize for Objects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

impl PartialEq for Outputs {
    fn eq(&self, other: &Outputs) -> bool {
        self.objects == other.objects
    }
}

impl Eq for Outputs {}

impl Serialize for Recorded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (output, object) in self.0.iter() {
            map.serialize_entry(output, object)?;
        }
        map.serialize_entry(LEVEL, &self.0.level)?;
        if !self.0.pins.is_empty() {
            map.serialize_entry(PINS, &self.0.pins)?;
        }
        map.end()
    }
}

impl Results {
    /// Reads the text of a record, or returns `None` if it is damaged.
    pub fn parse(text: &[u8]) -> Option<Results> {
        if text.trim_ascii_start().starts_with(b"[") {
            let results: Vec<Outputs> = serde_json::from_slice(text).ok()?;
            return (!results.is_empty()).then_some(Results(results));
        }
        Some(Results(vec![serde_json::from_slice(text).ok()?]))
    }

    /// Returns the text of a record.
    pub fn to_text(&self) -> Vec<u8> {
        let results: Vec<Recorded<'_>> = self.0.iter().map(Recorded).collect();
        let text = match results.as_slice() {
            [one] => serde_json::to_vec(one),
            all => serde_json::to_vec(all),
        };
        let mut text = text.unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// What is at a name that a snapshot and an output may have: an object, or a map. There are
/// thousands, so neither is kept in another form first.
enum Named<T> {
    Object(ObjectName),
    Map(T),
}

struct NamedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or a map")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Named<T>, E> {
        let text: StrDeserializer<'_, E> = text.into_deserializer();
        ObjectName::deserialize(text).map(Named::Object)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Named<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Named::Map)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named<T>, D::Error> {
        deserializer.deserialize_any(NamedVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Outputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Outputs, D::Error> {
        deserializer.deserialize_map(OutputsVisitor)
    }
}

struct OutputsVisitor;

impl<'de> Visitor<'de> for OutputsVisitor {
    type Value = Outputs;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the outputs of a derivation and their objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outputs, A::Error> {
        let (mut objects, mut level) = (LiteMap::with_capacity(1), Level::default());
        let mut pins = PinnedHashes::new();
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == LEVEL {
                level = map.next_value()?;
            } else if key == PINS {
                pins = map.next_value()?;
            } else if key == NAMED_PINS || key == NAMED_OUTPUTS {
                let output: StrDeserializer<'_, A::Error> = key.as_ref().into_deserializer();
                let output = OutputName::deserialize(output)?;
                if key == NAMED_PINS {
                    match map.next_value()? {
                        Named::Object(object) => drop(objects.insert(output, object)),
                        Named::Map::<PinnedHashes>(read) => pins = read,
                    }
                } else {
                    match map.next_value()? {
                        Named::Object(object) => drop(objects.insert(output, object)),
                        Named::Map::<BTreeMap<OutputName, ObjectName>>(read) => {
                            objects.extend(read);
                        }
                    }
                }
            } else {
                let key: StrDeserializer<'_, A::Error> = key.as_ref().into_deserializer();
                objects.insert(OutputName::deserialize(key)?, map.next_value()?);
            }
        }
        // All objects of none would be there, whatever became of the derivation.
        if objects.is_empty() {
            Err(A::Error::invalid_length(0, &self))
        } else {
            Ok(Outputs { objects, level, pins, own_pins: None })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_a_map_of_at_least_one() {
        let old = r#"{"dev":"tool-dev-123456789","out":"tool-123456789"}"#;
        let text = format!(r#"{{"pins":{{}},"outputs":{old}}}"#);
        let outputs: Outputs = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&outputs).unwrap(), text);
        assert_eq!(serde_json::from_str::<Outputs>(old).unwrap(), outputs);
        for damaged in [
            "{}",
            "[]",
            r#"[["out","tool-123456789"]]"#,
            "null",
            r#"{"out":1}"#,
            r#"{"":"tool-123456789"}"#,
            r#"{"pins":{},"outputs":{}}"#,
        ] {
            assert!(serde_json::from_str::<Outputs>(damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_record_has_the_level_and_older_ones_have_none() {
        let old = r#"{"out":"tool-123456789"}"#;
        let outputs: Outputs = serde_json::from_str(old).unwrap();
        assert_eq!(outputs.level(), Level::Unknown);
        let record =
            serde_json::to_string(&Recorded(&outputs.with_level(Level::Namespaces))).unwrap();
        assert_eq!(record, r#"{"out":"tool-123456789","@sandbox":"namespaces"}"#);
        let read: Outputs = serde_json::from_str(&record).unwrap();
        assert_eq!(
            (read.level(), serde_json::to_string(&read).unwrap()),
            (Level::Namespaces, format!(r#"{{"pins":{{}},"outputs":{old}}}"#))
        );
        assert!(serde_json::from_str::<Outputs>(r#"{"@sandbox":"namespaces"}"#).is_err());
    }

    #[test]
    fn pins_are_read_as_they_were_written_in_records_and_snapshots() {
        use crate::hash::Hash;

        let outputs = |text: &str| serde_json::from_str::<Outputs>(text).unwrap();
        let pins = |text: &str| PinnedHashes::from([("u".to_owned(), Hash::of(text.as_bytes()))]);
        let plain = outputs(r#"{"out":"tool-123456789"}"#);
        // Outputs may be called like the keys of a snapshot.
        let odd = outputs(r#"{"outputs":"tool-outputs-123456789","pins":"tool-pins-123456789"}"#);
        assert_eq!((odd.len(), odd.pins().len()), (2, 0));
        for outputs in [&plain, &odd] {
            let pinned = outputs.clone().with_pins(None, pins("1"));
            assert!(pinned.own_pins().is_none() && outputs.own_pins().is_some());
            let text = serde_json::to_string(&pinned).unwrap();
            let read: Outputs = serde_json::from_str(&text).unwrap();
            assert_eq!((&read, read.pins()), (&pinned, &pins("1")), "{text}");
            let other = outputs.clone().with_pins(None, pins("2"));
            for results in [vec![pinned.clone()], vec![pinned.clone(), other, outputs.clone()]] {
                let read = Results::parse(&Results(results.clone()).to_text()).unwrap().0;
                assert_eq!(read, results);
                assert!(read.iter().zip(&results).all(|(read, one)| read.pins() == one.pins()));
            }
        }
        assert!(Results::parse(b"[]").is_none() && Results::parse(b"[{}]").is_none());
        assert!(Results::parse(br#"{"out":"tool-123456789","@pins":1}"#).is_none());
    }
}
