//! A static site of verdicts and interleavings: an index, and a page for each race, which need
//! nothing but themselves. See [`Site`].

mod data;
mod html;
mod index;
mod page;

use std::collections::BTreeMap;

use crate::{Outcome, Witness};

/// What the races of a site are, and how they came out.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Columns of the index: the kernels, oldest first. What else a race is judged under is named
    /// beside them.
    pub kernels: Vec<String>,
    /// Rows of the index: what races decide something of. A race of which none speaks has a row of
    /// its own.
    pub claims: Vec<Claim>,
    /// The races, in order.
    pub races: Vec<Entry>,
    /// What was explored, and by what, in a sentence.
    pub made: String,
    /// For each kernel, by class, which lock is held and which is waited for then.
    pub lock_orders: Vec<(String, Vec<(String, String)>)>,
    /// Tables that say what each choice breaks.
    pub designs: Vec<Design>,
}

/// A claim.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// Its id: `S3.1`, of which `S3` is the family.
    pub id: String,
    /// What is claimed.
    pub says: String,
    /// Where that stands.
    pub source: String,
}

/// A race.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// What collides.
    pub title: String,
    /// The claim of which it decides something, where there is one: its id.
    pub claim: Option<String>,
    /// What came out, protocol by protocol.
    pub outcomes: Vec<Outcome>,
    /// For the n-th of them, an interleaving of the same race under a protocol that holds, as near
    /// to the violating one as there is any.
    pub twins: Vec<Option<Witness>>,
}

/// What each arm of a rule does to each race, everything else being the same.
#[derive(Clone, Debug, Default)]
pub struct Design {
    /// What is varied, and in which protocol.
    pub title: String,
    /// The arms.
    pub arms: Vec<String>,
    /// The races, each with what an arm does to it: the clauses that are violated, `never`, or a
    /// mark.
    pub rows: Vec<(String, Vec<String>)>,
    /// What the marks mean.
    pub legend: String,
}

/// A file of the site.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name; there are no folders.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl Site {
    /// The names of all its files: known before anything is explored, if it is known which cases
    /// will have a witness.
    ///
    /// # Errors
    /// When two of them would have the same name, or names that a file system may take for the
    /// same.
    pub fn names<'s>(
        races: impl IntoIterator<Item = (&'s str, Vec<&'s str>)>,
    ) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        for (race, violated) in races {
            names.push((page_name(race, None), race.to_owned()));
            for protocol in violated {
                let page = page_name(race, Some(protocol));
                let files = [picture_of(&page), twin_of(&page), page];
                names.extend(files.map(|name| (name, format!("{race} under {protocol}"))));
            }
        }
        names.extend(ALWAYS.map(|name| (name.to_owned(), "the report itself".to_owned())));
        let mut whose = BTreeMap::new();
        for (name, owner) in &names {
            if let Some(other) = whose.insert(name.to_lowercase(), owner) {
                return Err(format!(
                    "{other} and {owner} would have the same file in a report: {name}"
                ));
            }
        }
        Ok(names.into_iter().map(|(name, _)| name).collect())
    }

    /// All its files.
    pub fn files(&self) -> Vec<File> {
        let of_all = [
            (INDEX, index::index(self)),
            (LOCKS, index::locks(self)),
            (DESIGN, index::designs(self)),
            (STYLE, include_str!("report.css").to_owned()),
            (STEPPER, include_str!("stepper.js").to_owned()),
            (FILTER, include_str!("index.js").to_owned()),
        ];
        let mut files: Vec<_> = of_all.map(|(name, text)| File { name: name.into(), text }).into();
        for (n, race) in self.races.iter().enumerate() {
            files.push(File { name: page_name(&race.id, None), text: page::race(self, n) });
            for (case, outcome) in race.outcomes.iter().enumerate() {
                let Some(witness) = &outcome.witness else { continue };
                let name = page_name(&race.id, Some(&outcome.protocol));
                let picture =
                    |witness: &Witness| crate::render::svg(witness, page::detail(witness));
                files.push(File { name: picture_of(&name), text: picture(witness) });
                files.extend(
                    page::twin(race, case)
                        .map(|twin| File { name: twin_of(&name), text: picture(twin) }),
                );
                files.push(File { name, text: page::case(self, n, case, witness) });
            }
        }
        files
    }
}

const INDEX: &str = "index.html";
const LOCKS: &str = "locks.html";
const DESIGN: &str = "design.html";
const STYLE: &str = "report.css";
const STEPPER: &str = "stepper.js";
const FILTER: &str = "index.js";
const ALWAYS: [&str; 6] = [INDEX, LOCKS, DESIGN, STYLE, STEPPER, FILTER];

/// The page of a race, or of what it violates under a protocol: a name that neither a shell nor a
/// link minds.
fn page_name(race: &str, protocol: Option<&str>) -> String {
    let plain = |text: &str| {
        let plain =
            |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
        text.replace('=', ".").chars().map(plain).collect::<String>()
    };
    let case = protocol.map_or_else(String::new, |protocol| format!("-under-{}", plain(protocol)));
    format!("{}{case}.html", plain(race))
}

/// What the page shows, where there is no script.
fn picture_of(page: &str) -> String {
    page.replace(".html", ".svg")
}

fn twin_of(page: &str) -> String {
    page.replace(".html", "-twin.svg")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Count, Coverage};

    fn outcome(race: &str, protocol: &str, violates: &str) -> Outcome {
        let violated = (!violates.is_empty()).then(|| Count::new(violates, 1));
        Outcome {
            executions: 1,
            violations: violated.into_iter().collect(),
            ..Outcome::new(race, "", protocol, Coverage::Exhaustive)
        }
    }

    fn entry(id: &str, claim: Option<&str>, violated: [&str; 2]) -> Entry {
        let outcomes = vec![outcome(id, "old", violated[0]), outcome(id, "new", violated[1])];
        Entry {
            id: id.into(),
            title: format!("the title of {id}"),
            claim: claim.map(str::to_owned),
            outcomes,
            twins: Vec::new(),
        }
    }

    /// A claim's cell says of all its races how they came out; what no claim speaks of stands
    /// behind its family's claims.
    #[test]
    fn a_claim_hides_no_difference_between_its_races() {
        let claim = |id: &str| Claim {
            id: id.into(),
            says: format!("{id} is claimed"),
            source: String::new(),
        };
        let site = Site {
            kernels: vec!["old".into(), "new".into()],
            claims: vec![claim("A.1"), claim("A.2"), claim("B.1")],
            races: vec![
                entry("A.1", Some("A.1"), ["X-1", ""]),
                entry("A.1/more", Some("A.1"), ["X-1", "X-2"]),
                entry("A/crossing", None, ["", ""]),
                entry("B.1", Some("B.1"), ["X-1", ""]),
                entry("A.1/third", Some("A.1"), ["Y-1", "X-2"]),
                entry("mine", None, ["", ""]),
            ],
            ..Site::default()
        };
        let index = index::index(&site);
        let group = |id: &str| {
            index
                .split(&format!("<tbody id=\"{id}\">"))
                .nth(1)
                .and_then(|rest| rest.split("</tbody>").next())
                .expect(id)
        };
        let rows: Vec<_> = group("A.1").split("<tr>").skip(1).collect();
        assert!(rows[0].contains("A.1 is claimed <i>3 races</i>"), "{}", rows[0]);
        assert!(
            rows[0].ends_with("<td><td class=bad>✗3<td><b class=bad>✗2 X-2</b> <b>✓</b>"),
            "{}",
            rows[0]
        );
        assert!(rows[1].ends_with("the title of A.1<td><td class=bad>✗ X-1<td>✓"), "{}", rows[1]);
        assert!(
            rows[3].ends_with("the title of A.1/third<td><td class=bad>✗ Y-1<td class=bad>✗ X-2"),
            "{}",
            rows[3]
        );
        assert!(
            group("B.1")
                .ends_with("B.1 is claimed <i>the title of B.1</i><td><td class=bad>✗ X-1<td>✓"),
            "{}",
            group("B.1")
        );
        assert!(!index.contains("A.2 is claimed"), "nobody asks");
        let places = ["A.1", "A", "B.1", "mine"]
            .map(|id| index.find(&format!("<tbody id=\"{id}\">")).expect(id));
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn two_files_do_not_have_the_same_name() {
        let names =
            |races: [&'static str; 2]| Site::names(races.map(|race| (race, vec!["2.6.34"])));
        assert_eq!(
            names(["S3.1", "S3.1/fault"]).map(|names| names.len()),
            Ok(2 * 4 + ALWAYS.len())
        );
        for (races, says) in [
            (
                ["mine", "index"],
                "index and the report itself would have the same file in a report: index.html",
            ),
            (
                ["locks", "mine"],
                "locks and the report itself would have the same file in a report: locks.html",
            ),
            (
                ["mine", "Design"],
                "Design and the report itself would have the same file in a report: design.html",
            ),
            (
                ["mine/a", "mine_a"],
                "mine/a and mine_a would have the same file in a report: mine_a.html",
            ),
            (
                ["a", "a-under-2.6.34"],
                "a under 2.6.34 and a-under-2.6.34 would have the same file in a report: \
                 a-under-2.6.34.html",
            ),
        ] {
            assert_eq!(names(races), Err(says.into()));
        }
    }
}
