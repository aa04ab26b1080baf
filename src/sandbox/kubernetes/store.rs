//! The objects, their versions and their bounded history. Synchronous and deterministic; must not know HTTP.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::fields::{self, Manager, Owners};
use super::kind::Kind;
use super::rules;
use crate::engine::Timestamp;

/// Changes that are kept for watches and list pages that start in the past. More than a simulated day of a busy demo writes between
/// two looks of any watcher, and at some kilobytes a change little memory.
pub(super) const HISTORY_CHANGES: usize = 10_000;
/// Most objects of all kinds together, so that a runaway test fails instead of filling the memory.
pub(super) const MAX_OBJECTS: usize = 200_000;

/// Namespace (empty where there is none) and name.
pub(super) type Key = (String, String);

/// Where an object is: its kind and its place in that kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: &'static Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Place {
    fn key(&self) -> Key {
        (self.namespace.clone(), self.name.clone())
    }

    fn table(&self) -> Table {
        self.kind.table()
    }
}

/// Group and plural.
pub(super) type Table = (&'static str, &'static str);

/// How a write is meant.
#[derive(Debug, Clone)]
pub(super) struct Write {
    /// Who writes.
    pub(super) manager: Manager,
    /// Check, answer, but change nothing.
    pub(super) dry_run: bool,
    /// Now, for `creationTimestamp`.
    pub(super) now: Timestamp,
}

#[derive(Debug, Clone)]
struct Entry {
    object: Arc<Value>,
    owners: Owners,
}

/// One change of one object.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) table: Table,
    pub(super) key: Key,
    /// After the change; `None` where it was deleted.
    pub(super) after: Option<Arc<Value>>,
    /// Before the change; `None` where it was created.
    pub(super) before: Option<Arc<Value>>,
    /// The object as a watch reports it: after the change, or what was deleted with the version of the deletion.
    pub(super) shown: Arc<Value>,
}

/// All objects.
#[derive(Debug)]
pub(super) struct Store {
    tables: BTreeMap<Table, BTreeMap<Key, Entry>>,
    history: VecDeque<Change>,
    version: u64,
    /// The newest version whose change has left the history.
    compacted: u64,
    random: Pcg64,
    generated_names: u64,
    objects: usize,
}

impl Store {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            tables: BTreeMap::new(),
            history: VecDeque::new(),
            version: 1,
            compacted: 0,
            random: Pcg64::seed_from_u64(seed),
            generated_names: 0,
            objects: 0,
        }
    }

    /// The version of the newest change.
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// Forgets the history, as a compaction of etcd does.
    pub(super) fn compact(&mut self) {
        self.history.clear();
        self.compacted = self.version;
    }

    pub(super) fn get(&self, place: &Place) -> Result<Arc<Value>, Failure> {
        self.entry(place).map(|entry| entry.object.clone())
    }

    fn entry(&self, place: &Place) -> Result<&Entry, Failure> {
        let found = self.tables.get(&place.table()).and_then(|table| table.get(&place.key()));
        found.ok_or_else(|| Failure::not_found(place.kind, &place.name))
    }

    /// The objects of a kind as they were at `version`, by namespace and name.
    ///
    /// # Errors
    /// 410 where that version has left the history.
    pub(super) fn snapshot(&self, kind: &Kind, version: u64) -> Result<BTreeMap<Key, Arc<Value>>, Failure> {
        if version < self.compacted {
            return Err(Failure::expired(version, self.compacted));
        }
        let table = kind.table();
        let present = self.tables.get(&table).into_iter().flatten();
        let mut objects: BTreeMap<_, _> = present.map(|(key, entry)| (key.clone(), entry.object.clone())).collect();
        for change in self.history.iter().rev().take_while(|change| change.version > version) {
            if change.table != table {
                continue;
            }
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), before.clone()),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }

    /// The changes after `version`, oldest first.
    ///
    /// # Errors
    /// 410 where some of them have left the history.
    pub(super) fn changes_after(&self, version: u64) -> Result<impl Iterator<Item = &Change>, Failure> {
        if version < self.compacted {
            return Err(Failure::expired(version, self.compacted));
        }
        let start = self.history.partition_point(|change| change.version <= version);
        Ok(self.history.range(start..))
    }

    /// Creates `object` at `place`, whose name may be empty where the object has a generateName.
    pub(super) fn create(&mut self, place: &Place, mut object: Value, write: &Write) -> Result<Arc<Value>, Failure> {
        let mut place = place.clone();
        if place.name.is_empty() {
            place.name = self.name_of(&object);
        }
        rules::admit_new(&place, &mut object)?;
        if place.kind.namespaced && !self.has_namespace(&place.namespace) {
            return Err(Failure::not_found(rules::namespace_kind(), &place.namespace));
        }
        if self.entry(&place).is_ok() {
            return Err(Failure::already_exists(place.kind, &place.name));
        }
        if self.objects >= MAX_OBJECTS {
            return Err(Failure::new(
                507,
                "InsufficientStorage",
                format!("the sandbox holds at most {MAX_OBJECTS} objects"),
            ));
        }
        let uid = self.uid();
        rules::stamp_new(&place, &mut object, (uid, write.now));
        let mut owners = Owners::new();
        let owned = rules::ownable(&object, write.manager.subresource);
        if write.manager.applies {
            owners.insert(write.manager.clone(), fields::leaves(&owned).into_keys().collect());
        } else {
            fields::own_changes(&mut owners, &write.manager, &json!({}), &owned);
        }
        if write.dry_run {
            return Ok(Arc::new(object));
        }
        self.objects += 1;
        Ok(self.record(&place, Some((object, owners))))
    }

    /// Changes the object at `place` into what `edit` makes of it, seen through the subresource of the writer.
    pub(super) fn update(
        &mut self,
        place: &Place,
        write: &Write,
        edit: impl FnOnce(&Value, &mut Owners) -> Result<Value, Failure>,
    ) -> Result<Arc<Value>, Failure> {
        let entry = self.entry(place)?.clone();
        let mut owners = entry.owners.clone();
        let mut object = edit(&entry.object, &mut owners)?;
        check_preconditions(place, &entry.object, &object)?;
        rules::admit_update(place, &entry.object, &mut object, write.manager.subresource)?;
        if !write.manager.applies {
            let before = rules::ownable(&entry.object, write.manager.subresource);
            let after = rules::ownable(&object, write.manager.subresource);
            fields::own_changes(&mut owners, &write.manager, &before, &after);
        }
        if object == *entry.object && owners == entry.owners {
            return Ok(entry.object);
        }
        if write.dry_run {
            return Ok(Arc::new(object));
        }
        Ok(self.record(place, Some((object, owners))))
    }

    /// Deletes the object at `place` if it still has the uid and version that the caller names, and what a namespace holds with it.
    pub(super) fn delete(
        &mut self,
        place: &Place,
        preconditions: &Value,
        dry_run: bool,
    ) -> Result<Arc<Value>, Failure> {
        let present = self.get(place)?;
        check_preconditions(place, &present, &json!({"metadata": preconditions}))?;
        if dry_run {
            return Ok(present);
        }
        if place.kind.plural == "namespaces" {
            self.empty_namespace(&place.name);
        }
        self.objects = self.objects.saturating_sub(1);
        Ok(self.record(place, None))
    }

    fn empty_namespace(&mut self, namespace: &str) {
        let held: Vec<Place> = super::kind::KINDS
            .iter()
            .filter(|kind| !kind.is_core_event())
            .filter_map(|kind| Some((kind, self.tables.get(&kind.table())?)))
            .flat_map(|(kind, table)| table.keys().map(move |key| (kind, key)))
            .filter(|(kind, key)| kind.namespaced && key.0 == namespace)
            .map(|(kind, key)| Place { kind, namespace: key.0.clone(), name: key.1.clone() })
            .collect();
        for place in held {
            self.objects = self.objects.saturating_sub(1);
            self.record(&place, None);
        }
    }

    /// Books a change: a new version of the object, or its end.
    fn record(&mut self, place: &Place, next: Option<(Value, Owners)>) -> Arc<Value> {
        self.version += 1;
        let table = self.tables.entry(place.table()).or_default();
        let before = table.get(&place.key()).map(|entry| entry.object.clone());
        let mut shown = match (&next, &before) {
            (Some((object, _)), _) => object.clone(),
            (None, Some(before)) => before.as_ref().clone(),
            (None, None) => json!({}),
        };
        shown["metadata"]["resourceVersion"] = self.version.to_string().into();
        let shown = Arc::new(shown);
        let after = next.map(|(_, owners)| {
            table.insert(place.key(), Entry { object: shown.clone(), owners });
            shown.clone()
        });
        if after.is_none() {
            table.remove(&place.key());
        }
        let change = Change {
            version: self.version,
            table: place.table(),
            key: place.key(),
            after,
            before,
            shown: shown.clone(),
        };
        self.history.push_back(change);
        if self.history.len() > HISTORY_CHANGES {
            self.compacted = self.history.pop_front().map_or(self.compacted, |oldest| oldest.version);
        }
        shown
    }

    fn has_namespace(&self, name: &str) -> bool {
        self.tables.get(&("", "namespaces")).is_some_and(|table| table.contains_key(&(String::new(), name.to_owned())))
    }

    /// The name that the object asks for: its own, or its prefix with a counter.
    fn name_of(&mut self, object: &Value) -> String {
        let metadata = &object["metadata"];
        match (metadata["name"].as_str().unwrap_or_default(), metadata["generateName"].as_str().unwrap_or_default()) {
            ("", "") => String::new(),
            ("", prefix) => {
                self.generated_names += 1;
                format!("{prefix}{:05}", self.generated_names)
            }
            (name, _) => name.to_owned(),
        }
    }

    /// A UUID (version 4 in form) that depends on the seed and on how many came before.
    fn uid(&mut self) -> String {
        let (high, low) = (self.random.next_u64(), self.random.next_u64());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            8 | ((low >> 60) & 3),
            (low >> 48) & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }
}

/// Compares the version and the uid that a writer names with the present ones. A writer that names none does not care.
fn check_preconditions(place: &Place, present: &Value, wanted: &Value) -> Result<(), Failure> {
    let empty = Map::new();
    let named = wanted["metadata"].as_object().unwrap_or(&empty);
    let differs = |field: &str| {
        let wanted = named.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        wanted.is_some_and(|wanted| Some(wanted) != present["metadata"][field].as_str())
    };
    if differs("uid") {
        return Err(Failure::uid_conflict(place.kind, &place.name));
    }
    if differs("resourceVersion") {
        return Err(Failure::conflict(place.kind, &place.name));
    }
    Ok(())
}
