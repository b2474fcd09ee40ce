//! How the descriptions of two derivations differ. It does not read the store: the caller supplies
//! the names of other derivations.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::diff_report::Difference;

/// Returns where the descriptions of two derivations differ. `label` names the derivation of a
/// hash.
pub fn differences(
    first: &Json,
    second: &Json,
    label: &dyn Fn(&str) -> Option<String>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let none = Map::new();
    let fields = |description: &Json| -> Map<String, Json> {
        let mut fields = description.as_object().unwrap_or(&none).clone();
        fields.remove("dependencies");
        fields
    };
    compare(
        "",
        Some(&Json::Object(fields(first))),
        Some(&Json::Object(fields(second))),
        &mut found,
    );
    add_dependencies(first, second, label, &mut found);
    for difference in &mut found {
        let name = |json: Option<&String>| json.and_then(|json| label(json.trim_matches('"')));
        difference.first_name = name(difference.first.as_ref());
        difference.second_name = name(difference.second.as_ref());
    }
    found
}

/// Adds the dependencies that only one of the two has, unless a field tells of them already.
fn add_dependencies(
    first: &Json,
    second: &Json,
    label: &dyn Fn(&str) -> Option<String>,
    differences: &mut Vec<Difference>,
) {
    let hashes = |description: &Json| -> BTreeSet<String> {
        let list = description.get("dependencies").and_then(Json::as_array);
        list.into_iter().flatten().filter_map(|hash| hash.as_str().map(str::to_owned)).collect()
    };
    let told: BTreeSet<String> = differences
        .iter()
        .flat_map(|difference| [&difference.first, &difference.second])
        .flatten()
        .map(|json| json.trim_matches('"').to_owned())
        .collect();
    let (old, new) = (hashes(first), hashes(second));
    let mut by_name: BTreeMap<String, [Vec<String>; 2]> = BTreeMap::new();
    for (place, (ours, theirs)) in [(&old, &new), (&new, &old)].into_iter().enumerate() {
        for hash in ours.difference(theirs).filter(|hash| !told.contains(*hash)) {
            let name = label(hash).unwrap_or_else(|| hash.clone());
            let name = name.split(' ').next().unwrap_or_default().to_owned();
            by_name.entry(name).or_default()[place].push(hash.clone());
        }
    }
    for (name, [old, new]) in by_name {
        for index in 0..old.len().max(new.len()) {
            let of =
                |list: &[String]| list.get(index).map(|hash| Json::from(hash.as_str()).to_string());
            differences.push(Difference::new(format!("dependencies.{name}"), of(&old), of(&new)));
        }
    }
}

/// Returns how two texts of several lines differ, as a unified diff.
fn text_difference(first: Option<&Json>, second: Option<&Json>) -> Option<String> {
    let (Some(Json::String(first)), Some(Json::String(second))) = (first, second) else {
        return None;
    };
    if !first.contains('\n') && !second.contains('\n') {
        return None;
    }
    // Lines of code end with one.
    let whole =
        |text: &str| if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    let (first, second) = (whole(first), whole(second));
    let difference = similar::TextDiff::from_lines(&first, &second);
    Some(difference.unified_diff().context_radius(3).to_string())
}

/// Collects where two descriptions differ; lists and objects are gone into.
fn compare(
    path: &str,
    first: Option<&Json>,
    second: Option<&Json>,
    differences: &mut Vec<Difference>,
) {
    if first == second {
        return;
    }
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (first, second) {
        (Some(Json::Object(a)), Some(Json::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                // The entries of a table stand for the table, and what a function captures for the
                // function.
                let is_form = ["$table", "$captures", "$derivation", "$source", "$function"]
                    .contains(&key.as_str());
                let inner = if is_form { path.to_owned() } else { join(key) };
                match (key.as_str(), a.get(key), b.get(key)) {
                    (
                        "captures" | "$captures" | "$table",
                        Some(Json::Array(a)),
                        Some(Json::Array(b)),
                    ) => {
                        compare_pairs(&inner, a, b, differences);
                    }
                    (_, a, b) => compare(&inner, a, b, differences),
                }
            }
        }
        (Some(Json::Array(a)), Some(Json::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                compare(&format!("{path}[{}]", index + 1), a.get(index), b.get(index), differences);
            }
        }
        _ => differences.push(Difference {
            diff: text_difference(first, second),
            ..Difference::new(
                path.to_owned(),
                first.map(ToString::to_string),
                second.map(ToString::to_string),
            )
        }),
    }
}

/// Compares lists of keys and values, such as those of captured variables: the key tells more than
/// a number, and one more is one difference. Keys that are tables may occur several times, and are
/// compared in their order.
fn compare_pairs(path: &str, first: &[Json], second: &[Json], differences: &mut Vec<Difference>) {
    let group = |pairs: &[Json]| -> BTreeMap<String, Vec<Json>> {
        let mut groups: BTreeMap<String, Vec<Json>> = BTreeMap::new();
        for pair in pairs {
            let key = match pair.get(0) {
                Some(Json::String(name)) if path.is_empty() => name.clone(),
                Some(Json::String(name)) => format!("{path}.{name}"),
                Some(other) => format!("{path}[{other}]"),
                None => continue,
            };
            groups.entry(key).or_default().push(pair.get(1).cloned().unwrap_or_default());
        }
        groups
    };
    let (first, second) = (group(first), group(second));
    let keys: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    for key in keys {
        let (a, b) = (first.get(key), second.get(key));
        for index in 0..a.map_or(0, Vec::len).max(b.map_or(0, Vec::len)) {
            let of =
                |values: Option<&Vec<Json>>| values.and_then(|values| values.get(index).cloned());
            compare(key, of(a).as_ref(), of(b).as_ref(), differences);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(first: &Json, second: &Json) -> Vec<String> {
        let mut differences = Vec::new();
        compare("", Some(first), Some(second), &mut differences);
        differences.into_iter().map(|difference| difference.path).collect()
    }

    #[test]
    fn one_key_more_in_a_captured_table_is_one_difference() {
        let config =
            |entries: Json| json!({ "config": { "captures": [["t", { "$table": entries }]] } });
        let first = config(json!([["b", 1], ["c", 2], ["d", 3]]));
        assert_eq!(
            paths(&first, &config(json!([["a", 0], ["b", 1], ["c", 2], ["d", 3]]))),
            ["config.captures.t.a"]
        );
        assert_eq!(
            paths(&first, &config(json!([["b", 1], ["c", 4], ["d", 3]]))),
            ["config.captures.t.c"]
        );
        assert_eq!(
            paths(&config(json!([[1, 1]])), &config(json!([[1, 2], [2, 3]]))),
            ["config.captures.t[1]", "config.captures.t[2]"]
        );
        let function =
            |value| config(json!([["f", { "$function": "", "$captures": [["y", value]] }]]));
        assert_eq!(paths(&function(1), &function(2)), ["config.captures.t.f.y"]);
    }

    #[test]
    fn dependencies_are_told_by_name_and_once() {
        let derivation = |dependency: &str, other: &str, text: &str| {
            json!({
                "opts": { "low": { "$derivation": dependency } },
                "config": { "text": text },
                "dependencies": [dependency, other],
            })
        };
        let label =
            |hash: &str| (hash.len() == 2).then(|| format!("name-{} {}", &hash[..1], &hash[1..]));
        let (first, second) =
            (derivation("a1", "b1", "x\ny\nz"), derivation("a2", "b2", "x\nY\nz"));
        let found = differences(&first, &second, &label);
        let paths: Vec<_> = found.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(paths, ["config.text", "opts.low", "dependencies.name-b"]);
        assert_eq!(found[0].diff.as_deref().map(|diff| diff.contains("-y\n+Y\n")), Some(true));
        assert_eq!(
            (found[1].first_name.as_deref(), found[1].second_name.as_deref()),
            (Some("name-a 1"), Some("name-a 2"))
        );
        assert_eq!(found[2].second.as_deref(), Some("\"b2\""));
    }
}
