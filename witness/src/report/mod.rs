//! A static site of verdicts and interleavings: an index, and a page for each race, which need nothing but themselves. See [`Site`].

mod data;
mod html;
mod index;
mod page;

use crate::{Outcome, Witness};

/// What the races of a site are, and how they came out.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Columns of the index: the kernels, oldest first. What else a race is judged under is named beside them.
    pub kernels: Vec<String>,
    /// The races, in order.
    pub races: Vec<Entry>,
    /// What was explored, and by what, in a sentence.
    pub made: String,
    /// For each kernel, which locks are waited for while others are held, by class: the earlier, the later.
    pub lock_orders: Vec<(String, Vec<(String, String)>)>,
    /// Tables that say what each choice breaks.
    pub designs: Vec<Design>,
}

/// A race.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// What collides.
    pub title: String,
    /// The claim of which it decides something, where there is one: its sentence, and where that stands.
    pub claim: Option<(String, String)>,
    /// What came out, protocol by protocol.
    pub outcomes: Vec<Outcome>,
    /// For the n-th of them, an interleaving of the same race under a protocol that holds: the one that begins most alike.
    pub twins: Vec<Option<Witness>>,
}

/// What each arm of a rule does to each race, everything else being the same.
#[derive(Clone, Debug, Default)]
pub struct Design {
    /// What is varied, and in which protocol.
    pub title: String,
    /// The arms.
    pub arms: Vec<String>,
    /// The races, each with what an arm does to it: the clauses that are violated, `never`, or a mark.
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
    /// The names of all its files: known before anything is explored, if it is known which cases will have a witness.
    pub fn names<'s>(races: impl IntoIterator<Item = (&'s str, Vec<&'s str>)>) -> Vec<String> {
        let of = |(race, violated): (&str, Vec<&str>)| {
            let pages = violated.iter().map(|protocol| page_name(race, Some(protocol))).collect::<Vec<_>>();
            let pictures = pages.iter().map(|page| picture_of(page)).collect::<Vec<_>>();
            [vec![page_name(race, None)], pages, pictures].concat()
        };
        races.into_iter().flat_map(of).chain(ALWAYS.map(str::to_owned)).collect()
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
                files.push(File { name: picture_of(&name), text: crate::render::svg(witness, page::detail(witness)) });
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

/// The page of a race, or of what it violates under a protocol: a name that neither a shell nor a link minds.
fn page_name(race: &str, protocol: Option<&str>) -> String {
    let plain = |text: &str| {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
        text.replace('=', ".").chars().map(plain).collect::<String>()
    };
    let case = protocol.map_or_else(String::new, |protocol| format!("-under-{}", plain(protocol)));
    format!("{}{case}.html", plain(race))
}

fn picture_of(page: &str) -> String {
    page.replace(".html", ".svg")
}
