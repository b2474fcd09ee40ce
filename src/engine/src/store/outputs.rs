//! What the outputs of a derivation became, as records and snapshots hold it: `{"out": OBJECT}`.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};

use litemap::LiteMap;
use serde::de::value::StrDeserializer;
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::{ObjectName, OutputName};
use crate::platform::jail::Level;

/// The objects that the outputs of a derivation became: at least one when they are read, and hardly
/// ever more. Two are equal when the objects are.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    objects: LiteMap<OutputName, ObjectName>,
    level: Level,
}

/// The key of the level in a record. No output has that name.
const LEVEL: &str = "@sandbox";

/// Outputs as a record has them: with their level.
pub struct Recorded<'a>(pub &'a Outputs);

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
        Outputs { objects: outputs.into_iter().collect(), level: Level::default() }
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
        serializer.collect_map(self.iter())
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
        map.end()
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
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == LEVEL {
                level = map.next_value()?;
            } else {
                let key: StrDeserializer<'_, A::Error> = key.as_ref().into_deserializer();
                objects.insert(OutputName::deserialize(key)?, map.next_value()?);
            }
        }
        // All objects of none would be there, whatever became of the derivation.
        if objects.is_empty() {
            Err(A::Error::invalid_length(0, &self))
        } else {
            Ok(Outputs { objects, level })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_a_map_of_at_least_one() {
        let text = r#"{"dev":"tool-dev-123456789","out":"tool-123456789"}"#;
        let outputs: Outputs = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&outputs).unwrap(), text);
        for damaged in [
            "{}",
            "[]",
            r#"[["out","tool-123456789"]]"#,
            "null",
            r#"{"out":1}"#,
            r#"{"":"tool-123456789"}"#,
        ] {
            assert!(serde_json::from_str::<Outputs>(damaged).is_err(), "{damaged}");
        }
        assert_eq!(serde_json::to_string(&Outputs::default()).unwrap(), "{}");
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
            (read.level(), serde_json::to_string(&read).unwrap().as_str()),
            (Level::Namespaces, old)
        );
        assert!(serde_json::from_str::<Outputs>(r#"{"@sandbox":"namespaces"}"#).is_err());
    }
}
