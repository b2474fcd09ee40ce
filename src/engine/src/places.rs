//! Maps and sets of paths that are each written in one way only, as places of targets are: they
//! are told apart by their bytes. To compare thousands of paths name by name, as paths are
//! otherwise, takes many times as long.

use std::borrow::Cow;
#[cfg(not(windows))]
use std::ffi::OsStr;
use std::path::Path;

use crate::hash::QuickMap;

/// A path as a key. Windows has two signs between names.
#[cfg(not(windows))]
type Key = OsStr;
#[cfg(windows)]
type Key = Path;

fn key(path: &Path) -> &Key {
    path.as_ref()
}

fn own_key(path: Cow<'_, Path>) -> Cow<'_, Key> {
    match path {
        Cow::Borrowed(path) => Cow::Borrowed(key(path)),
        Cow::Owned(path) => Cow::Owned(path.into()),
    }
}

/// A map of places.
#[derive(Clone, Debug)]
pub struct PlaceMap<'a, V>(QuickMap<Cow<'a, Key>, V>);

impl<V> Default for PlaceMap<'_, V> {
    fn default() -> Self {
        PlaceMap(QuickMap::default())
    }
}

impl<'a, V> PlaceMap<'a, V> {
    /// Makes an empty map with room for a number of places.
    pub fn with_capacity(capacity: usize) -> PlaceMap<'a, V> {
        PlaceMap(QuickMap::with_capacity_and_hasher(capacity, Default::default()))
    }

    /// Returns what is known of a place.
    pub fn get(&self, place: &Path) -> Option<&V> {
        self.0.get(key(place))
    }

    /// Returns whether a place is in it.
    pub fn contains(&self, place: &Path) -> bool {
        self.0.contains_key(key(place))
    }

    /// Sets what is known of a place; returns what was known of it.
    pub fn insert(&mut self, place: impl Into<Cow<'a, Path>>, value: V) -> Option<V> {
        self.0.insert(own_key(place.into()), value)
    }

    /// Returns what is known of a place, or else what it is from now on.
    pub fn or_insert_with(
        &mut self,
        place: impl Into<Cow<'a, Path>>,
        value: impl FnOnce() -> V,
    ) -> &mut V {
        self.0.entry(own_key(place.into())).or_insert_with(value)
    }

    /// Returns all places and what is known of them, in any order.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &V)> {
        self.0.iter().map(|(place, value)| (Path::new(&**place), value))
    }

    /// Returns how many places are in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether no place is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// A set of places.
#[derive(Clone, Debug, Default)]
pub struct PlaceSet<'a>(PlaceMap<'a, ()>);

impl<'a> PlaceSet<'a> {
    /// Returns whether a place is in it.
    pub fn contains(&self, place: &Path) -> bool {
        self.0.contains(place)
    }

    /// Returns whether no place is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a place; returns whether that is new.
    pub fn insert(&mut self, place: impl Into<Cow<'a, Path>>) -> bool {
        self.0.insert(place, ()).is_none()
    }
}

impl<'a, P: Into<Cow<'a, Path>>> Extend<P> for PlaceSet<'a> {
    fn extend<T: IntoIterator<Item = P>>(&mut self, places: T) {
        for place in places {
            self.insert(place);
        }
    }
}

impl<'a, P: Into<Cow<'a, Path>>> FromIterator<P> for PlaceSet<'a> {
    fn from_iter<T: IntoIterator<Item = P>>(places: T) -> Self {
        let places = places.into_iter();
        let mut set = PlaceSet(PlaceMap::with_capacity(places.size_hint().0));
        set.extend(places);
        set
    }
}

/// A set that owns its places.
pub type OwnPlaces = PlaceSet<'static>;
