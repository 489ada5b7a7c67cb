//! The rooms of `src`, and of the other crates, and which stands on which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::spec_ties::all_sources;

/// Each stands on those before it, and on nothing else.
const ROOMS: [&str; 13] = [
    "spec", "exec", "engine", "sync", "mm", "race", "explore", "matrix", "races", "conform", "cli",
    "lib", "main",
];

/// What `crate::` leads to directly, by where that is.
const AT_THE_ROOT: [(&str, &[&str]); 4] = [
    ("spec", &["Clause", "Era", "Protocol"]),
    ("sync", &["Mark"]),
    ("race", &["Condition", "Documented", "Race", "Seen"]),
    (
        "explore",
        &[
            "Halt",
            "Litmus",
            "LitmusOutcome",
            "Machine",
            "Method",
            "OnStall",
            "Options",
            "Part",
            "PartError",
            "Shard",
        ],
    ),
];

/// Of other crates, or macros of the whole crate.
const FOREIGN: [&str; 11] = [
    "call",
    "note",
    "marks",
    "witness",
    "Outcome",
    "Witness",
    "Memory",
    "Schedule",
    "Commutation",
    "Disagreement",
    "ParseScheduleError",
];

#[test]
fn no_room_stands_on_one_that_stands_on_it() {
    let place = |room: &str| ROOMS.iter().position(|other| *other == room);
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in all_sources() {
        let room =
            file.trim_start_matches("src/").split(['/', '.']).next().expect("a name").to_owned();
        let Some(own) = place(&room) else {
            panic!("{file} is in a room that has no place: {room}")
        };
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let several = used.strip_prefix('{').and_then(|names| names.split('}').next());
                for name in several.unwrap_or(used).split(", ").take(if several.is_some() {
                    usize::MAX
                } else {
                    1
                }) {
                    let name = name
                        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                        .next()
                        .unwrap_or_default();
                    let at_the_root = || {
                        AT_THE_ROOT
                            .iter()
                            .find(|(_, names)| names.contains(&name))
                            .and_then(|(room, _)| place(room))
                    };
                    let stands_on = place(name).or_else(at_the_root);
                    assert!(
                        stands_on.is_some() || FOREIGN.contains(&name),
                        "{file} uses {name}: whose is that?"
                    );
                    if stands_on.is_some_and(|other| other > own) {
                        wrong.entry(file.clone()).or_default().push(name.to_owned());
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The modules of a crate at its root, and which of them each names.
fn modules_of(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("src");
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in sources_in(&root) {
        let module = file.split(['/', '.']).next().expect("a name").to_owned();
        if module == "lib" {
            continue;
        }
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join("\n");
        let names = named.entry(module).or_default();
        for used in code.split("crate::").skip(1) {
            let several = used.strip_prefix('{').and_then(|all| all.split('}').next());
            let paths: Vec<_> = several.map_or_else(|| vec![used], |all| all.split(',').collect());
            let first = |path: &str| {
                let name: String = path
                    .trim_start()
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                name
            };
            names.extend(paths.into_iter().map(first));
        }
    }
    let modules: BTreeSet<_> = named.keys().cloned().collect();
    for (module, names) in &mut named {
        names.retain(|name| name != module && modules.contains(name));
    }
    named
}

fn sources_in(root: &Path) -> Vec<(String, String)> {
    let mut folders = vec![root.to_owned()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let name = path.strip_prefix(root).expect("it is in there");
                let text = fs::read_to_string(&path).expect("text");
                sources.push((name.to_string_lossy().into_owned(), text));
            }
        }
    }
    sources
}

/// Modules that nothing of a circle is left of, when those that stand on nothing are taken away one
/// after the other, can be read in an order.
#[test]
fn no_modules_go_in_circles() {
    for crate_ in ["dpor", "witness"] {
        let mut left = modules_of(crate_);
        assert!(left.len() > 5, "{crate_}: {left:?}");
        while let Some(leaf) =
            left.iter().find(|(_, names)| names.is_empty()).map(|(leaf, _)| leaf.clone())
        {
            left.remove(&leaf);
            left.values_mut().for_each(|names| _ = names.remove(&leaf));
        }
        assert!(left.is_empty(), "in {crate_} these go in circles: {left:?}");
    }
}
