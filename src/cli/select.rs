//! From names to races and protocols.

use std::sync::OnceLock;

use crate::explore::program::program;
use crate::spec::{Claim, ProtocolError};
use crate::{Protocol, Race};

use super::Refusal;
use super::check::counted;

static CATALOGUE: OnceLock<Vec<Race>> = OnceLock::new();

/// The races that there are.
pub fn catalogue() -> &'static [Race] {
    CATALOGUE.get().map_or(&[], Vec::as_slice)
}

/// These are the races that there are.
pub fn catalogue_is(races: Vec<Race>) -> Result<(), Refusal> {
    for (at, race) in races.iter().enumerate() {
        if races[..at].iter().any(|other| other.id().eq_ignore_ascii_case(race.id())) {
            return Err(Refusal(format!("two races are called '{}'", race.id())));
        }
    }
    CATALOGUE.set(races).map_err(|_| Refusal("the command line runs already".into()))
}

/// The races that `patterns` name, in the catalogue's order; all of them if there is no pattern.
pub fn races(patterns: &[String]) -> Result<Vec<Race>, Refusal> {
    let all = catalogue();
    for pattern in patterns {
        if !all.iter().any(|race| names(pattern, race.id())) {
            return Err(unknown_race(pattern, all));
        }
    }
    let wanted = |race: &Race| {
        patterns.is_empty() || patterns.iter().any(|pattern| names(pattern, race.id()))
    };
    Ok(all.iter().filter(|race| wanted(race)).cloned().collect())
}

/// The one race that is called `name`.
pub fn race(name: &str) -> Result<Race, Refusal> {
    let all = catalogue();
    let exact = name.strip_prefix('=').unwrap_or(name);
    if let Some(race) = all.iter().find(|race| race.id().eq_ignore_ascii_case(exact)) {
        return Ok(race.clone());
    }
    let several: Vec<_> = all.iter().filter(|race| names(name, race.id())).collect();
    match several.as_slice() {
        [] => Err(unknown_race(name, all)),
        [race] => Ok((*race).clone()),
        [first, second, ..] => {
            let (n, first, second) = (several.len(), first.id(), second.id());
            Err(Refusal(format!(
                "'{name}' stands for {n} races ({first}, {second} and so on), and this shows one"
            )))
        }
    }
}

/// The protocol that is called `name`.
pub fn protocol(name: &str) -> Result<Protocol, Refusal> {
    name.parse::<Protocol>().map_err(|error| {
        let nearest = match &error {
            ProtocolError::Unknown { part, candidates } => {
                did_you_mean(part, candidates.iter().map(String::as_str))
            }
            ProtocolError::Twice { .. } => String::new(),
        };
        Refusal(format!("{error}{nearest}"))
    })
}

/// Is `id` the pattern, or does it go on after the pattern with a part of its own? `=` wants the id
/// itself.
pub fn names(pattern: &str, id: &str) -> bool {
    if let Some(exact) = pattern.strip_prefix('=') {
        return id.eq_ignore_ascii_case(exact);
    }
    let (Some(head), Some(rest)) = (id.get(..pattern.len()), id.get(pattern.len()..)) else {
        return false;
    };
    head.eq_ignore_ascii_case(pattern) && matches!(rest.chars().next(), None | Some('.' | '/'))
}

fn unknown_race(name: &str, all: &[Race]) -> Refusal {
    if let Some(several) = name.strip_prefix('=') {
        let of_it = all.iter().filter(|race| names(several, race.id())).count();
        if of_it > 0 {
            return Refusal(format!(
                "no race is called just '{several}'; did you mean '{several}', without '=', which \
                 stands for {}?",
                counted(of_it, "race")
            ));
        }
    }
    let wanted = name.trim_start_matches('=');
    let nearest = match variants(wanted, all) {
        ids if ids.is_empty() => {
            elsewhere(wanted).unwrap_or_else(|| did_you_mean(wanted, all.iter().map(Race::id)))
        }
        ids => question(ids),
    };
    Refusal(format!("no race is called '{name}'{nearest}"))
}

/// The races of the claim that `wanted` begins with: those whose variant is called nearly so, or the
/// first ones.
fn variants<'a>(wanted: &str, all: &'a [Race]) -> Vec<&'a str> {
    let Some((claim, variant)) = wanted.split_once('/') else { return Vec::new() };
    let ids = || all.iter().map(Race::id).filter(|id| names(claim, id));
    let meant = near(variant, ids().filter_map(|id| Some(id.split_once('/')?.1)));
    if meant.is_empty() {
        return ids().take(SUGGESTIONS).collect();
    }
    ids().filter(|id| id.split_once('/').is_some_and(|(_, of)| meant.contains(&of))).collect()
}

/// Where to look for what SPEC.md names so, and no list.
pub fn elsewhere(wanted: &str) -> Option<String> {
    let wanted = wanted.to_lowercase();
    if wanted.starts_with("finding-") {
        return Some("; findings are in SPEC.md".to_owned());
    }
    let number = wanted.strip_prefix("document-")?;
    let claims = format!("S{number}");
    let known = Claim::ALL.iter().any(|claim| names(&claims, claim.id));
    known.then(|| format!("; did you mean '{claims}', its claims and races?"))
}

/// At most this many names are suggested.
const SUGGESTIONS: usize = 3;

/// The names nearest to `wanted` as a question; or where to look them up, if none is near.
pub fn did_you_mean<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = nearest(wanted, names);
    if near.is_empty() { format!("; `{} list` names them all", program()) } else { near }
}

/// The names nearest to `wanted` as a question, if any is near.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    question(near(wanted, names))
}

/// The names nearest to `wanted`, if any is near.
pub fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let far = |name: &str| strsim::damerau_levenshtein(&wanted, &name.to_lowercase());
    let is_near = |distance: usize, name: &str| {
        distance * 2 <= wanted.chars().count().max(name.chars().count())
    };
    // They are as far apart as they differ in length, at least: a long text is compared with few
    // names.
    let as_long =
        |name: &&str| is_near(wanted.chars().count().abs_diff(name.chars().count()), name);
    let mut near: Vec<_> = names
        .filter(as_long)
        .map(|name| (far(name), name))
        .filter(|&(distance, name)| is_near(distance, name))
        .collect();
    near.sort_by_key(|&(distance, _)| distance);
    let least = near.first().map(|&(distance, _)| distance);
    let nearest = near.into_iter().take_while(|&(distance, _)| Some(distance) == least);
    nearest.map(|(_, name)| name).take(SUGGESTIONS).collect()
}

/// Were these names meant?
pub fn question<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("'{name}'")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [others @ .., last] => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, names};

    #[test]
    fn a_name_ends_where_a_part_ends() {
        for (pattern, id, expected) in [
            ("S3", "S3.1", true),
            ("s3", "S3.1/fault", true),
            ("S3.1", "S3.1", true),
            ("S3.1", "S3.1/fault", true),
            ("S3.1", "S3.10", false),
            ("S3.1", "S3.11", false),
            ("S3.1", "S3.11/zap", false),
            ("S1", "S10.1", false),
            ("=S3.1", "S3.1", true),
            ("=S3.1", "S3.1/fault", false),
            ("S3.1/f", "S3.1/fault", false),
            ("", "S3.1", false),
            ("é", "S3.1", false),
        ] {
            assert_eq!(names(pattern, id), expected, "{pattern:?} for {id}");
        }
    }

    #[test]
    fn near_names_are_suggested_and_others_are_not() {
        let names = ["S3.1", "S3.2", "S1.2/reuse"];
        assert_eq!(did_you_mean("s1.2/resue", names.into_iter()), "; did you mean 'S1.2/reuse'?");
        assert_eq!(did_you_mean("S3.9", names.into_iter()), "; did you mean 'S3.1' or 'S3.2'?");
        assert_eq!(did_you_mean("mmap_sem", names.into_iter()), "; `lockwalk list` names them all");
        assert_eq!(did_you_mean("", names.into_iter()), "; `lockwalk list` names them all");
        assert_eq!(did_you_mean("S3", std::iter::empty()), "; `lockwalk list` names them all");
    }
}
