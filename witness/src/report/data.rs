//! What a stepper is given.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::render::Detail;
use crate::shown::Shown;
use crate::story;
use crate::{Ending, StepKind, Witness};

/// A witness as `stepper.js` reads it.
pub(super) fn of(witness: &Witness) -> Value {
    let mut state: BTreeMap<String, String> =
        witness.start.iter().map(|fact| (fact.name.clone(), fact.value.clone())).collect();
    let mut steps: Vec<Value> = witness
        .steps
        .iter()
        .map(|step| {
            let mut its = Map::new();
            its.insert("c".into(), story::lane(witness, step.cpu).into());
            its.insert("d".into(), step.depth.into());
            its.insert("k".into(), json!(step.kind));
            its.insert("t".into(), story::text(witness, step).into());
            if !step.at.is_empty() {
                its.insert("a".into(), step.at.as_str().into());
            }
            let mut changes: Vec<_> =
                step.now.iter().flat_map(|now| changes(&state, now)).collect();
            changes.extend(blank(&state, &changes));
            for (name, value) in &changes {
                match value {
                    Some(value) => state.insert(name.clone(), value.clone()),
                    None => state.remove(name),
                };
            }
            if !changes.is_empty() {
                its.insert("s".into(), json!(changes));
            }
            Value::Object(its)
        })
        .collect();
    let mut shown = Shown::new(witness, Detail::Story).rows;
    let mut bad = story::violating(witness);
    let mut holds = story::holds(witness);
    // A last step, of no CPU.
    if let Some(found) = story::audited(witness) {
        let last = steps.len();
        holds.iter_mut().filter(|h| h.steps.end == last).for_each(|h| h.steps.end += 1);
        shown.push(last);
        bad = Some(last);
        steps.push(json!({ "c": null, "d": 0, "k": StepKind::Violation, "t": found }));
    }
    let tracks = story::tracks(&holds);
    let holds: Vec<_> = holds
        .iter()
        .zip(tracks)
        .map(|(hold, track)| json!([hold.lane, hold.lock, hold.steps.start, hold.steps.end, track]))
        .collect();
    json!({
        "cpus": story::heads(witness),
        "start": witness.start.iter().map(|fact| [&fact.name, &fact.value]).collect::<Vec<_>>(),
        "steps": steps,
        "story": shown,
        "holds": holds,
        "bad": bad,
        "repeat": story::repeating(witness).map(|round| [round.start, round.end - 1]),
        "clause": witness.clause,
        "what": if matches!(witness.ending, Ending::Complete) { "" } else { witness.what.as_str() },
    })
}

/// What `now` says has changed: `P0.count 1→2`, `pte[mm0:4] = mig(P0 rw)`, `vma2 is gone`. Of what
/// has a blank field nothing is said before there is something in it.
fn changes(state: &BTreeMap<String, String>, now: &str) -> Vec<(String, Option<String>)> {
    if let Some(gone) = now.strip_suffix(" is gone") {
        let part = |name: &&String| {
            name.strip_prefix(gone).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        return state.keys().filter(part).map(|name| (name.clone(), None)).collect();
    }
    let known = |(name, before): (&String, &String)| {
        let after = now
            .strip_prefix(name.as_str())?
            .strip_prefix(' ')?
            .strip_prefix(before.as_str())?
            .strip_prefix('→')?;
        Some((name.clone(), Some(after.to_owned())))
    };
    if let Some(change) = state.iter().find_map(known) {
        return vec![change];
    }
    let blank = [" 0→", " NULL→"].iter().find_map(|blank| now.split_once(blank));
    let new = blank.or_else(|| now.split_once(" = "));
    new.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).into_iter().collect()
}

/// What is not told of a new page: its blank fields, which are those of other pages.
fn blank(
    state: &BTreeMap<String, String>,
    changes: &[(String, Option<String>)],
) -> Vec<(String, Option<String>)> {
    let field =
        |name: &str| name.strip_prefix('P')?.split_once('.').map(|(_, field)| field.to_owned());
    let fields: BTreeSet<String> =
        state.keys().filter_map(|name| field(name)).filter(|field| field != "host").collect();
    let new = |page: &&str| !state.keys().any(|name| page_of(name) == Some(page));
    let pages: BTreeSet<&str> = changes
        .iter()
        .filter(|(name, _)| field(name).is_some())
        .filter_map(|(name, _)| page_of(name))
        .filter(new)
        .collect();
    let all = pages
        .iter()
        .flat_map(|page| fields.iter().map(move |field| (format!("{page}.{field}"), field)));
    let untold = all.filter(|(name, _)| !changes.iter().any(|(told, _)| told == name));
    untold
        .map(|(name, field)| (name, Some(if field == "mapping" { "NULL" } else { "0" }.to_owned())))
        .collect()
}

fn page_of(name: &str) -> Option<&str> {
    name.split_once('.').map(|(page, _)| page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_they_are_told() {
        let state: BTreeMap<_, _> = [
            ("anon_vma#0 list", "(vma0)"),
            ("P1.count", "1"),
            ("P1.mapping", "NULL"),
            ("P10.count", "1"),
            ("pte[mm0:4]", "P0 rw"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let one =
            |name: &str, value: Option<&str>| vec![(name.to_owned(), value.map(str::to_owned))];
        assert_eq!(
            changes(&state, "anon_vma#0 list (vma0)→(vma0 vma2)"),
            one("anon_vma#0 list", Some("(vma0 vma2)"))
        );
        assert_eq!(
            changes(&state, "pte[mm0:4] P0 rw→mig(P0 rw)"),
            one("pte[mm0:4]", Some("mig(P0 rw)"))
        );
        assert_eq!(changes(&state, "vma2 = [1,2)@1"), one("vma2", Some("[1,2)@1")));
        assert_eq!(changes(&state, "P2.count 0→1"), one("P2.count", Some("1")));
        assert_eq!(
            changes(&state, "P1 is gone"),
            [("P1.count".to_owned(), None), ("P1.mapping".to_owned(), None)]
        );
        assert_eq!(changes(&state, "somebody says something"), []);
        let told = [("P2.count".to_owned(), Some("1".to_owned()))];
        assert_eq!(
            blank(&state, &told),
            one("P2.mapping", Some("NULL")),
            "a page of which only the count was told"
        );
        assert_eq!(blank(&state, &changes(&state, "P1.count 1→2")), []);
    }
}
