//! Fields of objects as sets of paths: merge patches, and who owns which field under server-side apply. Pure.
//!
//! Lists are atomic, except those that Kubernetes keys (`conditions` by type; containers, volumes and env by name).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// One step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A field of a map.
    Field(String),
    /// The item of a keyed list whose key (first) has that value (second).
    Item(&'static str, String),
}

/// The way to a field.
pub(super) type Path = Vec<Step>;

/// Who writes, how, and through which subresource: the identity of a field manager.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    /// Name of the field manager.
    pub(super) name: String,
    /// By server-side apply rather than by update.
    pub(super) applies: bool,
    /// Subresource; empty for the object itself.
    pub(super) subresource: &'static str,
}

/// The fields that each manager owns.
pub(super) type Owners = BTreeMap<Manager, BTreeSet<Path>>;

/// The key of a list's items, where the list is one that Kubernetes merges by key.
fn list_key(field: &str) -> Option<&'static str> {
    match field {
        "conditions" => Some("type"),
        "containers" | "initContainers" | "volumes" | "env" => Some("name"),
        _ => None,
    }
}

fn item_key(item: &Value, key: &str) -> Option<String> {
    item.get(key)?.as_str().map(str::to_owned)
}

/// The key of `value`'s items if it is a keyed list and each item has the key.
fn keyed(field: &str, value: &Value) -> Option<&'static str> {
    let key = list_key(field)?;
    value.as_array()?.iter().all(|item| item_key(item, key).is_some()).then_some(key)
}

/// All leaves of `value` with what they hold; an empty map is a leaf, a list without keys is one leaf.
pub(super) fn leaves(value: &Value) -> BTreeMap<Path, &Value> {
    let mut found = BTreeMap::new();
    collect(value, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(value: &'a Value, path: &mut Path, found: &mut BTreeMap<Path, &'a Value>) {
    let Some(map) = value.as_object().filter(|map| !map.is_empty()) else {
        found.insert(path.clone(), value);
        return;
    };
    for (field, inner) in map {
        path.push(Step::Field(field.clone()));
        if let (Some(key), Some(items)) = (keyed(field, inner), inner.as_array().filter(|items| !items.is_empty())) {
            for item in items {
                path.push(Step::Item(key, item_key(item, key).unwrap_or_default()));
                collect(item, path, found);
                path.pop();
            }
        } else {
            collect(inner, path, found);
        }
        path.pop();
    }
}

/// RFC 7386: `null` removes, maps merge, all else replaces.
pub(super) fn merge_patch(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else { return };
    for (field, inner) in patch {
        if inner.is_null() {
            map.remove(field);
        } else {
            merge_patch(map.entry(field.clone()).or_insert(Value::Null), inner);
        }
    }
}

/// Lays what a manager applies over the live object: maps merge, keyed lists merge by key, all else replaces.
pub(super) fn overlay(live: &mut Value, applied: &Value) {
    let (Some(map), Some(applied_map)) = (live.as_object_mut(), applied.as_object()) else {
        *live = applied.clone();
        return;
    };
    for (field, inner) in applied_map {
        match map.get_mut(field) {
            None => {
                map.insert(field.clone(), inner.clone());
            }
            Some(present) => match keyed(field, inner).filter(|_| keyed(field, present).is_some()) {
                Some(key) => overlay_items(present, inner, key),
                None => overlay(present, inner),
            },
        }
    }
}

fn overlay_items(live: &mut Value, applied: &Value, key: &str) {
    let (Some(live), Some(applied)) = (live.as_array_mut(), applied.as_array()) else { return };
    for item in applied {
        match live.iter_mut().find(|present| present.get(key) == item.get(key)) {
            Some(present) => overlay(present, item),
            None => live.push(item.clone()),
        }
    }
}

/// Removes the field at `path`, and the maps and items that are empty for it.
pub(super) fn remove(value: &mut Value, path: &[Step]) {
    match path {
        [] => {}
        [Step::Field(field)] => {
            if let Some(map) = value.as_object_mut() {
                map.remove(field);
            }
        }
        [Step::Field(field), rest @ ..] => {
            let Some(map) = value.as_object_mut() else { return };
            if let Some(inner) = map.get_mut(field) {
                remove(inner, rest);
                if inner.as_object().is_some_and(Map::is_empty) || inner.as_array().is_some_and(Vec::is_empty) {
                    map.remove(field);
                }
            }
        }
        [Step::Item(key, name), rest @ ..] => {
            let Some(items) = value.as_array_mut() else { return };
            let found = items.iter().position(|item| item_key(item, key).as_ref() == Some(name));
            let Some(index) = found else { return };
            // The key itself goes last: without it the rest of the item could not be found any more.
            if matches!(rest, [Step::Field(field)] if field == key) {
                items.remove(index);
                return;
            }
            remove(&mut items[index], rest);
        }
    }
}

/// `.status.conditions[type="Ready"].message`, as messages print a path.
pub(super) fn render(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Field(field) => {
                text.push('.');
                text.push_str(field);
            }
            Step::Item(key, name) => text.push_str(&format!("[{key}=\"{name}\"]")),
        }
    }
    text
}

/// Books an update: what it changed belongs to `manager` now, and to nobody else.
pub(super) fn own_changes(owners: &mut Owners, manager: &Manager, before: &Value, after: &Value) {
    let (before, after) = (leaves(before), leaves(after));
    let changed: BTreeSet<Path> =
        after.iter().filter(|(path, value)| before.get(*path) != Some(value)).map(|(path, _)| path.clone()).collect();
    for owned in owners.values_mut() {
        // What the update does not speak of, such as the status in an update of the spec, stays whose it was.
        let removed = |path: &Path| before.contains_key(path) && !after.contains_key(path);
        owned.retain(|path| !removed(path) && !changed.contains(path));
    }
    if !changed.is_empty() {
        owners.entry(manager.clone()).or_default().extend(changed);
    }
    owners.retain(|_, owned| !owned.is_empty());
}

/// Server-side apply of `config` over `live`; both without what nobody owns (names, status and the like).
///
/// # Errors
/// The fields that others own and that would change, with their owners, unless `force`.
pub(super) fn apply(
    (live, owners): (&Value, &mut Owners),
    config: &Value,
    manager: &Manager,
    force: bool,
) -> Result<Value, Vec<(String, String)>> {
    let wanted = leaves(config);
    let present = leaves(live);
    let mut conflicts = Vec::new();
    for (other, owned) in owners.iter_mut().filter(|(other, _)| *other != manager) {
        let lost: Vec<Path> = owned
            .iter()
            .filter(|path| wanted.get(*path).is_some_and(|value| present.get(*path) != Some(value)))
            .cloned()
            .collect();
        for path in lost {
            if force {
                owned.remove(&path);
            } else {
                conflicts.push((render(&path), other.name.clone()));
            }
        }
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let mut merged = live.clone();
    overlay(&mut merged, config);
    let previous = owners.insert(manager.clone(), wanted.keys().cloned().collect()).unwrap_or_default();
    let mut dropped: Vec<Path> =
        previous.into_iter().filter(|path| !owners.values().any(|owned| owned.contains(path))).collect();
    // Keys of items go last.
    dropped.sort_by_key(|path| is_item_key(path));
    for path in dropped {
        remove(&mut merged, &path);
    }
    owners.retain(|_, owned| !owned.is_empty());
    Ok(merged)
}

fn is_item_key(path: &[Step]) -> bool {
    matches!(path, [.., Step::Item(key, _), Step::Field(field)] if field == key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manager(name: &str, applies: bool) -> Manager {
        Manager { name: name.to_owned(), applies, subresource: "" }
    }

    #[test]
    fn merge_patches_as_rfc_7386_says() {
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = target.clone();
            merge_patch(&mut merged, &patch);
            assert_eq!(merged, expected, "{target} {patch}");
        }
    }

    #[test]
    fn items_of_keyed_lists_are_fields_of_their_own() {
        let value =
            json!({"conditions": [{"type": "Ready", "status": "True"}], "metrics": [{"type": "a"}], "none": {}});
        let found: Vec<String> = leaves(&value).keys().map(|path| render(path)).collect();
        assert_eq!(
            found,
            [".conditions[type=\"Ready\"].status", ".conditions[type=\"Ready\"].type", ".metrics", ".none"]
        );
    }

    #[test]
    fn an_update_takes_ownership_and_an_apply_needs_force_to_take_it_back() {
        let (human, robot) = (manager("human", false), manager("robot", true));
        let mut owners = Owners::new();
        let one = apply((&json!({}), &mut owners), &json!({"a": 1, "b": 1}), &robot, false).unwrap();
        let two = json!({"a": 2, "b": 1});
        own_changes(&mut owners, &human, &one, &two);
        assert_eq!(owners[&robot].len(), 1, "what the human changed is no longer the robot's");
        let refused = apply((&two, &mut owners), &json!({"a": 1, "b": 1}), &robot, false).unwrap_err();
        assert_eq!(refused, [(".a".to_owned(), "human".to_owned())]);
        let three = apply((&two, &mut owners), &json!({"a": 1, "b": 1}), &robot, true).unwrap();
        assert_eq!(three, one);
        assert_eq!(owners.keys().collect::<Vec<_>>(), [&robot], "the human owns nothing any more");
        let same = apply((&two, &mut owners.clone()), &json!({"a": 2}), &manager("third", true), false).unwrap();
        assert_eq!(same, two, "to agree is no conflict");
    }

    #[test]
    fn what_is_no_longer_applied_goes_with_the_maps_that_held_it() {
        let mut owners = Owners::new();
        let (one, two) = (manager("one", true), manager("two", true));
        let conditions = |kinds: &[&str]| -> Value {
            kinds.iter().map(|kind| json!({"type": kind, "status": "True", "message": "m"})).collect()
        };
        let config = json!({"status": {"deep": {"er": 1}, "conditions": conditions(&["Ready", "Stalled"])}});
        let live = apply((&json!({}), &mut owners), &config, &one, false).unwrap();
        let other = json!({"status": {"conditions": conditions(&["Ready"])}});
        let live = apply((&live, &mut owners), &other, &two, false).unwrap();
        let live = apply((&live, &mut owners), &json!({"status": {"kept": 1}}), &one, false).unwrap();
        assert_eq!(live, json!({"status": {"kept": 1, "conditions": conditions(&["Ready"])}}));
        let live = apply((&live, &mut owners), &json!({}), &two, false).unwrap();
        assert_eq!(live, json!({"status": {"kept": 1}}));
    }
}
