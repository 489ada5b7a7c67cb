//! The rooms of `src`, and which stands on which.

use std::collections::BTreeMap;

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
