//! The rooms of `src`, and of the other crates, and which stands on which.

use std::collections::{BTreeMap, BTreeSet};

use super::spec_ties::{all_sources, sources_of};

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
        let room = module(&file, "src");
        let Some(own) = place(room) else {
            panic!("{file} is in a room that has no place: {room}")
        };
        for name in named(&text) {
            let of = |(_, names): &&(&str, &[&str])| names.contains(&&*name);
            let at_the_root = || AT_THE_ROOT.iter().find(of).and_then(|(room, _)| place(room));
            let stands_on = place(&name).or_else(at_the_root);
            assert!(
                stands_on.is_some() || FOREIGN.contains(&&*name),
                "{file} uses {name}: whose is that?"
            );
            if stands_on.is_some_and(|other| other > own) {
                wrong.entry(file.clone()).or_default().push(name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// `.ci/run` builds anew with `--cfg loom` no more than what notices: another default engine.
#[test]
fn a_build_for_loom_has_another_default_and_nothing_else() {
    let crates = ["src", "dpor/src", "witness/src", "source/src", "bench/src", "conformance/src"];
    let asks: Vec<_> = crates
        .into_iter()
        .flat_map(sources_of)
        .flat_map(|(file, text)| {
            let asks = |line: &&str| {
                !line.trim_start().starts_with("//")
                    && line.contains("cfg")
                    && line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "loom")
            };
            text.lines().filter(asks).map(|line| format!("{file}: {line}")).collect::<Vec<_>>()
        })
        .collect();
    assert!(asks.len() == 1 && asks[0].contains("const DEFAULT_ENGINE: Engine ="), "{asks:#?}");
}

/// The module at the root of a crate that a file is in.
fn module<'f>(file: &'f str, sources: &str) -> &'f str {
    let inside = file.strip_prefix(sources).expect("it is in there").trim_start_matches('/');
    inside.split(['/', '.']).next().expect("a name")
}

/// What a source names at the root of its crate: behind `crate::`, one or several in braces.
fn named(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let name = |path: &str| -> String {
        path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let names = |used: &str| match used.strip_prefix('{').and_then(|all| all.split('}').next()) {
        Some(all) => all.split(',').map(name).filter(|name| !name.is_empty()).collect(),
        None => vec![name(used)],
    };
    code.split("crate::").skip(1).flat_map(names).collect()
}

/// What each module of a crate names, where it leads to: what the crate has at its root, to the
/// module that it is from.
fn names_by_module(name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let sources = format!("{name}/src");
    let (mut modules, mut root) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::new());
    for (file, text) in sources_of(&sources) {
        // Tests may look down from above.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let module = module(&file, &sources);
        if module == "lib" {
            for used in text.split("pub use ").skip(1) {
                let (from, names) = used.split_once("::").expect("it is from somewhere");
                let names = named(&format!("crate::{}", names.split(';').next().expect("it ends")));
                root.extend(names.into_iter().map(|name| (name, from.to_owned())));
            }
        } else {
            modules.entry(module.to_owned()).or_default().extend(named(text));
        }
    }
    assert!(modules.len() > 2, "{name}: {modules:?}");
    root.retain(|name, _| !modules.contains_key(name));
    let leads_to = |name: String| root.get(&name).cloned().unwrap_or(name);
    let all = modules.into_iter();
    all.map(|(module, names)| (module, names.into_iter().map(leads_to).collect())).collect()
}

/// What has happened is one thing, and how it is judged another.
#[test]
fn the_trace_of_dpor_knows_of_no_fairness() {
    let names = &names_by_module("dpor")["trace"];
    assert!(names.contains("access") && !names.contains("round"), "{names:?}");
}

/// Modules that nothing of a circle is left of, when those that stand on nothing are taken away one
/// after the other, can be read in an order.
#[test]
fn no_modules_go_in_circles() {
    for name in ["dpor", "witness", "source", "bench", "conformance"] {
        let mut left = names_by_module(name);
        let modules: BTreeSet<_> = left.keys().cloned().collect();
        for (module, names) in &mut left {
            names.retain(|name| name != module && modules.contains(name));
        }
        while let Some(leaf) =
            left.iter().find(|(_, names)| names.is_empty()).map(|(leaf, _)| leaf.clone())
        {
            left.remove(&leaf);
            left.values_mut().for_each(|names| _ = names.remove(&leaf));
        }
        assert!(left.is_empty(), "in {name} these go in circles: {left:?}");
    }
}
