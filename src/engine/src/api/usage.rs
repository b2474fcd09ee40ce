//! What keeps one object of the store, and what the object needs, for `why` and `info`.
//! `gc_roots.rs` finds what keeps objects.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::gc_roots::Holder;
use super::{Engine, Error};
use crate::generations;
use crate::names::ObjectName;
use crate::store::gc::mark::{self, Damaged, mentioned};
use crate::store::read_info;

/// Something that keeps an object.
#[derive(Debug, JsonSchema, Serialize)]
pub struct HolderReport {
    /// Its kind.
    #[serde(flatten)]
    pub holder: Holder,
    /// The objects between the holder and the object; empty when the holder names the object
    /// itself.
    pub through: Vec<ObjectName>,
}

/// What is known of how an object is used.
#[derive(Debug, JsonSchema, Serialize)]
pub struct HoldReport {
    /// The objects that it needs, itself among them.
    pub closure: Vec<ObjectName>,
    /// The bytes of their files.
    pub closure_size: u64,
    /// What keeps it.
    pub holders: Vec<HolderReport>,
    /// The places of the actions in force that name it, in the order of the snapshot.
    pub actions: Vec<usize>,
}

impl Engine {
    /// Returns what keeps an object and what the object needs, according to the readable snapshots
    /// and records.
    ///
    /// # Errors
    /// When the store, the snapshots or the processes cannot be listed, or the current snapshot
    /// cannot be read.
    pub fn usage(&self, object: &ObjectName) -> Result<HoldReport, Error> {
        let current = generations::current(&self.store)?;
        let roots = self.readable_roots()?;
        let ways = roots.living.ways(object);
        let mut holders: BTreeMap<Holder, Vec<ObjectName>> = BTreeMap::new();
        for (held, by) in roots.held {
            let Some(way) = mark::way(&ways, &held) else { continue };
            for holder in by {
                let is_shorter = holders.get(&holder).is_none_or(|known| way.len() < known.len());
                if is_shorter {
                    holders.insert(holder, way.clone());
                }
            }
        }
        let closure =
            mark::closure(&self.store, &roots.present, [object.clone()], Damaged::Read)?.objects;
        // An object without a good record has no known size.
        let size =
            |object| read_info(&self.store, object).ok().flatten().map_or(0, |info| info.size);
        let wanted = BTreeSet::from([object.clone()]);
        let names_it = |text: &[u8]| !mentioned(text, &wanted).is_empty();
        let places = current.activations.iter().enumerate();
        let actions =
            places.filter(|(_, entry)| entry.action.texts().iter().any(|text| names_it(&text.0)));
        Ok(HoldReport {
            actions: actions.map(|(place, _)| place).collect(),
            holders: holders
                .into_iter()
                .map(|(holder, through)| HolderReport { holder, through })
                .collect(),
            closure_size: closure.keys().map(size).sum(),
            closure: closure.into_keys().collect(),
        })
    }
}
