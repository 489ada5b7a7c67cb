//! The names of steps in `src/mm`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use lockwalk_source::Sources;

/// A step that has a name.
#[derive(Debug)]
pub struct Step {
    /// Whose step.
    pub function: String,
    number: usize,
    /// What happens.
    pub says: String,
    /// Claims and clauses.
    pub speaks_of: Vec<String>,
    /// The rules that it asks.
    pub rules: BTreeSet<String>,
    file: String,
    /// The lines that it comprises: behind its name, up to the next one or the end of the function.
    lines: std::ops::Range<u32>,
    /// What they are.
    code: String,
    /// It makes a closure and calls it; when a later step calls that, it is the later one's.
    pub lends: bool,
}

impl Step {
    pub fn name(&self) -> String {
        format!("{}.{}", self.function, self.number)
    }
}

/// A function of `src/mm`.
struct Function {
    name: String,
    file: String,
    lines: std::ops::Range<u32>,
    /// The rules that it asks.
    asks: BTreeSet<String>,
    /// It has steps.
    described: bool,
    text: String,
}

/// All of them.
pub struct Marked {
    pub steps: Vec<Step>,
    functions: Vec<Function>,
}

/// `do_swap_page.4: The page …`
fn name_of_step(line: &str) -> Option<(&str, usize, &str)> {
    let (name, says) = line.trim().strip_prefix("// ")?.split_once(": ")?;
    let (function, number) = name.split_once('.')?;
    let is_name =
        function.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    Some((function, number.parse().ok().filter(|_| is_name)?, says))
}

impl Marked {
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<(String, String)> = Vec::new();
        for entry in fs::read_dir(root.join("src/mm")).expect("a folder of sources") {
            let path = entry.expect("a folder that can be read").path();
            let name = path.strip_prefix(root).expect("below the root").display().to_string();
            files.push((name, fs::read_to_string(&path).expect("a source file")));
        }
        files.sort();
        let sources =
            Sources::new(files.iter().map(|(name, text)| (&**name, &**text))).expect("it is Rust");
        let mut functions = Vec::new();
        for name in sources.names().collect::<BTreeSet<_>>() {
            for reading in sources.whole(name) {
                let (file, line) = reading.place.split_once(':').expect("file:line");
                let first: u32 = line.parse().expect("a line");
                let lines = first..first + reading.text.lines().count() as u32;
                functions.push(Function {
                    name: name.to_owned(),
                    file: file.to_owned(),
                    lines,
                    asks: reading.asks,
                    described: false,
                    text: reading.text,
                });
            }
        }
        let rules: BTreeSet<&str> =
            lockwalk::spec::Rules::catalogue().iter().map(|&(rule, _)| rule).collect();
        let mut steps = Vec::new();
        for (file, text) in &files {
            of_file(file, text, &functions, &rules, &mut steps);
        }
        let mut numbers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        steps
            .iter()
            .for_each(|step: &Step| numbers.entry(&step.function).or_default().push(step.number));
        for (function, mut numbers) in numbers {
            numbers.sort_unstable();
            let wanted: Vec<_> = (1..=numbers.len()).collect();
            assert_eq!(
                numbers, wanted,
                "the steps of {function} are numbered from one, each number once"
            );
        }
        steps.sort_by(|a, b| (&a.function, a.number).cmp(&(&b.function, b.number)));
        for function in &mut functions {
            let mine = steps.iter().filter(|step| {
                step.file == function.file && function.lines.contains(&step.lines.start)
            });
            let rules: BTreeSet<_> = mine.clone().flat_map(|step| &step.rules).collect();
            function.described = mine.count() > 0;
            let missed: Vec<_> = function
                .asks
                .iter()
                .filter(|rule| function.described && !rules.contains(rule))
                .collect();
            assert!(missed.is_empty(), "{} asks {missed:?}, and no step of it does", function.name);
        }
        Self { steps, functions }
    }

    /// The step at this place; an error if its function has some, and this is before the first.
    pub fn at(&self, file: &str, line: u32) -> Result<Option<usize>, String> {
        let at = self.steps.iter().position(|step| step.file == file && step.lines.contains(&line));
        match (at, self.around(file, line)) {
            (Some(at), _) => Ok(Some(at)),
            (None, Some(function)) if function.described => {
                Err(format!("{file}:{line} in {}", function.name))
            }
            (None, _) => Ok(None),
        }
    }

    fn around(&self, file: &str, line: u32) -> Option<&Function> {
        self.functions
            .iter()
            .find(|function| function.file == file && function.lines.contains(&line))
    }

    /// The function that this line is in.
    pub fn function(&self, file: &str, line: u32) -> Option<&str> {
        self.around(file, line).map(|function| &*function.name)
    }

    /// Does the step that this line is in call this function, or, if there is none, the function
    /// that it is in?
    pub fn calls(&self, file: &str, line: u32, step: Option<usize>, function: &str) -> bool {
        let code = step
            .map(|step| &self.steps[step].code)
            .or_else(|| self.around(file, line).map(|around| &around.text));
        code.is_some_and(|code| code.contains(&format!(".{function}(")))
    }

    /// Who asks a rule outside of what the steps comprise.
    pub fn asked_outside(&self, rule: &str) -> BTreeSet<&str> {
        let asks = |function: &&Function| function.asks.contains(rule) && !function.described;
        self.functions.iter().filter(asks).map(|function| &*function.name).collect()
    }
}

fn of_file(
    file: &str,
    text: &str,
    functions: &[Function],
    rules: &BTreeSet<&str>,
    steps: &mut Vec<Step>,
) {
    let lines: Vec<&str> = text.lines().collect();
    let here: Vec<&Function> = functions.iter().filter(|function| function.file == file).collect();
    let mut at = 0;
    while at < lines.len() {
        let Some((function, number, says)) = name_of_step(lines[at]) else {
            at += 1;
            continue;
        };
        let name = format!("{file}:{} {function}.{number}", at + 1);
        let known = here.iter().any(|known| known.name == function)
            || text.contains(&format!("`{function}`"));
        assert!(known, "{name}: nothing in this file is called so");
        let around = here
            .iter()
            .find(|known| known.lines.contains(&(at as u32 + 1)))
            .unwrap_or_else(|| panic!("{name} is in no function"));
        let mut words = says.to_owned();
        at += 1;
        while let Some(more) =
            lines[at].trim().strip_prefix("// ").filter(|_| name_of_step(lines[at]).is_none())
        {
            words = format!("{words} {more}");
            at += 1;
        }
        let (says, speaks_of) = match words
            .strip_suffix(']')
            .and_then(|words| words.rsplit_once(" ["))
        {
            Some((says, ids)) => (says.to_owned(), ids.split(", ").map(str::to_owned).collect()),
            None => (words, Vec::new()),
        };
        assert!(says.ends_with(['.', '?']), "{name} says no sentence");
        let first = at as u32 + 1;
        let end = (at..lines.len())
            .find(|&next| name_of_step(lines[next]).is_some())
            .map_or(u32::MAX, |next| next as u32 + 1);
        let range = first..end.min(around.lines.end);
        let mut before = steps
            .iter()
            .filter(|step: &&Step| step.file == file && around.lines.contains(&step.lines.start))
            .peekable();
        let is_first = before.peek().is_none();
        let in_order = before
            .filter(|before| before.function == function)
            .all(|before| before.number < number);
        assert!(in_order, "{name} stands behind a later step");
        if is_first {
            let early = asked(&lines[around.lines.start as usize - 1..at], rules);
            assert!(
                early.is_empty(),
                "{name} is the first of {}, which asks {early:?} before",
                around.name
            );
        }
        let code = &lines[range.start as usize - 1..range.end as usize - 1];
        let (rules, code) = (asked(code, rules), code.join("\n"));
        let lends = calls_its_closure(&code);
        steps.push(Step {
            function: function.to_owned(),
            number,
            says,
            speaks_of,
            rules,
            file: file.to_owned(),
            lines: range,
            code,
            lends,
        });
    }
}

/// `let set = |pte| …`, and `set(`.
fn calls_its_closure(code: &str) -> bool {
    let names =
        code.split("let ").skip(1).filter_map(|rest| rest.split_once(" = |")).map(|(name, _)| name);
    let mut names = names.filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
    let part_of_a_word =
        |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
    let called = |name: &str| {
        let calls = format!("{name}(");
        code.match_indices(&calls).any(|(at, _)| !part_of_a_word(&code[..at]))
    };
    names.any(called)
}

/// Which rules these lines ask.
fn asked(lines: &[&str], rules: &BTreeSet<&str>) -> BTreeSet<String> {
    let code: String =
        lines.iter().map(|line| line.split("//").next().unwrap_or_default().trim()).collect();
    let mut asked = BTreeSet::new();
    for rest in code.split("rules().").skip(1).chain(code.split("rules.").skip(1)) {
        let word =
            rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        if rules.contains(word) {
            asked.insert(word.to_owned());
        }
    }
    asked
}
