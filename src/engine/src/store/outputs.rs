//! What the outputs of a derivation became, as records and snapshots hold it: `{"out": OBJECT}`.

use std::fmt;
use std::ops::{Deref, DerefMut};

use litemap::LiteMap;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::{ObjectName, OutputName};

/// The objects that the outputs of a derivation became: at least one when they are read, and hardly ever more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs(LiteMap<OutputName, ObjectName>);

impl Outputs {
    /// Returns the objects.
    pub fn values(&self) -> impl Iterator<Item = &ObjectName> {
        self.0.values()
    }
}

impl Deref for Outputs {
    type Target = LiteMap<OutputName, ObjectName>;

    fn deref(&self) -> &LiteMap<OutputName, ObjectName> {
        &self.0
    }
}

impl DerefMut for Outputs {
    fn deref_mut(&mut self) -> &mut LiteMap<OutputName, ObjectName> {
        &mut self.0
    }
}

impl FromIterator<(OutputName, ObjectName)> for Outputs {
    fn from_iter<I: IntoIterator<Item = (OutputName, ObjectName)>>(outputs: I) -> Outputs {
        Outputs(outputs.into_iter().collect())
    }
}

impl IntoIterator for Outputs {
    type Item = (OutputName, ObjectName);
    type IntoIter = std::vec::IntoIter<(OutputName, ObjectName)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_tuple_vec().into_iter()
    }
}

impl<'a> IntoIterator for &'a Outputs {
    type Item = (&'a OutputName, &'a ObjectName);
    type IntoIter = <&'a LiteMap<OutputName, ObjectName> as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (&self.0).into_iter()
    }
}

impl Serialize for Outputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
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
        let mut outputs = LiteMap::with_capacity(1);
        while let Some((output, object)) = map.next_entry()? {
            outputs.insert(output, object);
        }
        // All objects of none would be there, whatever became of the derivation.
        if outputs.is_empty() { Err(A::Error::invalid_length(0, &self)) } else { Ok(Outputs(outputs)) }
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
        for damaged in ["{}", "[]", r#"[["out","tool-123456789"]]"#, "null", r#"{"out":1}"#, r#"{"":"tool-123456789"}"#]
        {
            assert!(serde_json::from_str::<Outputs>(damaged).is_err(), "{damaged}");
        }
        assert_eq!(serde_json::to_string(&Outputs::default()).unwrap(), "{}");
    }
}
