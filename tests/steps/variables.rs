//! The variables of `src/mm`, as their structs declare them.

use std::fs;
use std::path::Path;

/// A field whose accesses are steps.
pub struct Variable {
    /// The class of its name: `P.mapcount`.
    pub class: String,
    /// What its documentation says, without links.
    pub says: String,
}

impl Variable {
    /// As C has it.
    pub fn name(&self) -> String {
        let (object, field) = self.class.split_once('.').unwrap_or((&self.class, ""));
        match (object, field) {
            ("pte[mm:]", _) => "page-table entry".into(),
            ("swapcache[]", _) => "swap cache slot".into(),
            ("P", field) => format!("page.{field}"),
            ("anon_vma#", field) => format!("anon_vma.{field}"),
            ("swap()", field) => format!("slot.{field}"),
            (object, "") => object.to_owned(),
            (object, field) => format!("{object}.{field}"),
        }
    }
}

/// The variables that a file makes, in its order: `count: Word::new(name("P%a%l.count"), 0)`,
/// documented where the struct has `count: Word<`.
fn of_file(text: &str, found: &mut Vec<Variable>) {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for line in &whole(&lines) {
        let Some((field, made)) = line.split_once(": ") else { continue };
        let is_variable = ["Word::new(", "MmuWord::new(", "Published::new("]
            .iter()
            .any(|kind| made.contains(kind));
        let Some(pattern) = made.split('"').nth(1).filter(|_| is_variable) else { continue };
        let declared = |line: &&str| {
            line.trim_start_matches("pub(super) ")
                .trim_start_matches("pub ")
                .starts_with(&format!("{field}: "))
        };
        let Some(at) = lines
            .iter()
            .position(|line| declared(line) && line.ends_with(',') && line.contains('<'))
        else {
            continue;
        };
        let docs = lines[..at]
            .iter()
            .rev()
            .take_while(|line| line.starts_with("///"))
            .map(|line| line.trim_start_matches('/').trim());
        let mut docs: Vec<_> = docs.collect();
        docs.reverse();
        let class = ["%a", "%b", "%l"]
            .iter()
            .fold(pattern.to_owned(), |class, number| class.replace(number, ""));
        found.push(Variable { class, says: without_links(&docs.join(" ")) });
    }
}

/// The lines, with those behind each that only continue it.
fn whole(lines: &[&str]) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    for line in lines {
        match whole.last_mut() {
            Some(last) if last.ends_with('(') || line.starts_with('.') => last.push_str(line),
            _ => whole.push((*line).to_owned()),
        }
    }
    whole
}

/// ``[`MapLock`](crate::spec::MapLock)`` is `MapLock`.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        out += before;
        let Some((shown, behind)) = link.split_once(']') else { break };
        out += shown;
        rest = match behind.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, behind)) => behind,
            None => behind,
        };
    }
    out + rest
}

/// What is no field.
const OTHERS: [(&str, &str); 2] = [
    (
        "pte[mm:]",
        "What an address leads to. Set under the page-table lock; the hardware makes it dirty.",
    ),
    (
        "swapcache[]",
        "The page that the swap cache has for a slot. Kernel: a slot of `swapper_space`'s tree.",
    ),
];

/// All of them, but for what only a race sets.
pub fn read() -> Vec<Variable> {
    let mut paths: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mm"))
        .expect("a folder of sources")
        .map(|entry| entry.expect("a folder that can be read").path())
        .collect();
    paths.sort();
    let mut found = Vec::new();
    paths
        .iter()
        .for_each(|path| of_file(&fs::read_to_string(path).expect("a source file"), &mut found));
    found.retain(|variable| variable.class.contains('.') || variable.says.contains("Kernel: "));
    found.extend(OTHERS.map(|(class, says)| Variable { class: class.into(), says: says.into() }));
    found
}
