//! Functions of the protocol as one protocol reads them: where they ask a rule, only what its arm
//! does is left.
//!
//! It works on the text, so that comments and the lines of the source stay: the syntax tree says
//! what stands where, and what is not taken is cut out. An expression is decided when it depends on
//! rules alone; so is a function without arguments whose body is such an expression, and a variable
//! that is bound to one. What is decided and still needed is written as the value that it has.
//! Everything else stays as it is: what comes out does what the source does under the protocol.
//! What comes to `None` is followed as well, so that it need not be guessed of which type it is.
//!
//! A parameter is what a caller gives, and is not followed, though a protocol may leave callers that
//! all give the same. It would hardly pay: of the 530 functions or so that 2.6.34 and 5.19 come to,
//! that would take an arm out of one (`isolate_locked`).
//!
//! What a cut leaves is looked at again, until nothing changes. An operand that no longer matters is
//! still run where it takes a step, or may: only what is known to look at nothing but variables goes.

mod cut;
mod decide;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use syn::visit::Visit;
use syn::{Attribute, ImplItemFn, ItemFn};

/// For each rule its type and the arm that is chosen, as the source spells them: `wp_lock`,
/// `WpLock`, `Trylock`.
pub type Choices = BTreeMap<&'static str, (&'static str, &'static str)>;

/// The functions of some files.
pub struct Sources {
    files: Vec<(String, String)>,
    functions: Vec<Function>,
    /// The functions that are one expression; none where two have the name.
    bodies: BTreeMap<String, Option<decide::Body>>,
}

struct Function {
    name: String,
    file: String,
    /// From its documentation to its last brace, as far to the left as it goes.
    text: String,
    /// Where that is in the file, and how far it is indented there.
    range: Range<usize>,
    indent: usize,
    /// The first line, counted from 1.
    line: usize,
    parsed: ImplItemFn,
}

/// A function as a protocol reads it.
pub struct Reading {
    /// Where it stands: `src/mm/cow.rs:66`.
    pub place: String,
    /// The function.
    pub text: String,
    /// The rules that it asks, whether of one arm or of all.
    pub asks: BTreeSet<String>,
    /// The steps whose sentences are left out.
    pub left_out: Vec<String>,
}

/// A function that was asked for.
pub struct Found<'s> {
    function: &'s Function,
    /// Which steps it has of those that were asked for.
    pub steps: Vec<usize>,
}

impl Found<'_> {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.function.name
    }
}

/// A file that is no Rust.
#[derive(Debug)]
pub struct NoRust {
    file: String,
    why: syn::Error,
}

impl fmt::Display for NoRust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no Rust: {}", self.file, self.why)
    }
}

impl std::error::Error for NoRust {}

impl Sources {
    /// What is in these files, each with its name.
    ///
    /// # Errors
    /// When one of them is no Rust.
    pub fn new<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<Self, NoRust> {
        let (mut kept, mut functions) = (Vec::new(), Vec::new());
        for (file, text) in files {
            let parsed = syn::parse_file(text).map_err(|why| NoRust { file: file.into(), why })?;
            let mut collect = Collect { found: Vec::new() };
            collect.visit_file(&parsed);
            functions
                .extend(collect.found.into_iter().map(|range| Function::new(file, text, range)));
            kept.push((file.to_owned(), text.to_owned()));
        }
        let mut bodies = BTreeMap::new();
        for function in &functions {
            let body = decide::Body::of(&function.parsed);
            bodies.entry(function.name.clone()).and_modify(|known| *known = None).or_insert(body);
        }
        Ok(Self { files: kept, functions, bodies })
    }

    /// The names of the functions, in the order of the files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(|function| &*function.name)
    }

    /// The names of steps, without their numbers: some are no function's.
    pub fn names_of_steps(&self) -> BTreeSet<String> {
        let steps = self.functions.iter().flat_map(|function| steps::of(&function.text));
        steps.map(|step| step.of).collect()
    }

    /// The functions called `name`, as they stand.
    pub fn whole(&self, name: &str) -> Vec<Reading> {
        self.called(name).map(Function::as_it_stands).collect()
    }

    /// The functions called `name`, as they are under these choices.
    pub fn under(&self, choices: &Choices, name: &str) -> Vec<Reading> {
        let under = |function: &Function| {
            function.reading(self.cut(function, choices), decide::asked(&function.parsed))
        };
        self.called(name).map(under).collect()
    }

    /// The functions that go by `name`, which are those called so, and those that have steps of that
    /// name: `do_swap_page`, or one of them, `do_swap_page.4`. In the order of the steps.
    pub fn find(&self, name: &str) -> Vec<Found<'_>> {
        let (of, number) = match name.rsplit_once('.') {
            Some((of, number)) => (of, number.parse::<usize>().ok()),
            None => (name, None),
        };
        if number.is_none() && of != name {
            return Vec::new();
        }
        let found = self.functions.iter().filter_map(|function| {
            let steps: Vec<_> = steps::of(&function.text)
                .into_iter()
                .filter(|step| step.of == of)
                .map(|step| step.number)
                .collect();
            let wanted = match number {
                Some(number) => steps.contains(&number),
                None => function.name == of || !steps.is_empty(),
            };
            wanted.then_some(Found { function, steps })
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|found| found.steps.first().copied());
        found
    }

    /// A function as it stands.
    pub fn as_it_stands(&self, found: &Found<'_>) -> Reading {
        found.function.as_it_stands()
    }

    /// A function as it is under these choices, with the sentence of a step only where what it says
    /// is done: where the code of the step, and what that calls that has no steps, is as it is under
    /// what the steps called `name` describe, which is `described(name)`.
    pub fn told(
        &self,
        found: &Found<'_>,
        choices: &Choices,
        described: impl Fn(&str) -> Choices,
    ) -> Reading {
        let function = found.function;
        let text = self.cut(function, choices);
        let here = steps::of(&text);
        let (mut gone, mut left_out) = (Vec::new(), Vec::new());
        for step in steps::of(&function.text) {
            let described = described(&step.of);
            let there = steps::of(&self.cut(function, &described));
            let [here, there] =
                [&here, &there].map(|steps| steps.iter().find(|other| other.name() == step.name()));
            let said =
                |code: &str| self.helps_alike(code, choices, &described, &mut BTreeSet::new());
            match (here, there) {
                (Some(here), Some(there)) if here.code == there.code && said(&here.code) => {}
                (here, _) => {
                    gone.extend(here.map(|here| here.lines.clone()));
                    left_out.push(step.name());
                }
            }
        }
        let text = steps::without(&text, &gone);
        let asks = decide::asked(&function.parsed);
        Reading { left_out, ..function.reading(text, asks) }
    }

    /// Do the functions that are called in this code, and have no steps of their own, do the same
    /// under both?
    fn helps_alike(
        &self,
        code: &str,
        one: &Choices,
        other: &Choices,
        seen: &mut BTreeSet<String>,
    ) -> bool {
        steps::called(code).into_iter().flat_map(|name| self.called(name)).all(|function| {
            if !seen.insert(function.name.clone()) || !steps::of(&function.text).is_empty() {
                return true;
            }
            let [here, there] =
                [one, other].map(|choices| steps::code(&self.cut(function, choices)));
            here == there && self.helps_alike(&here, one, other, seen)
        })
    }

    fn cut(&self, function: &Function, choices: &Choices) -> String {
        cut::under(&function.text, &function.parsed, choices, &self.bodies)
    }

    /// All the files as they are under these choices.
    pub fn all_under(&self, choices: &Choices) -> Vec<(&str, String)> {
        let file = |(file, text): &'_ (String, String)| {
            let (mut out, mut at) = (String::new(), 0);
            for function in self.functions.iter().filter(|function| function.file == *file) {
                let cut = self.cut(function, choices);
                out += &text[at..function.range.start];
                out +=
                    cut.replace('\n', &format!("\n{}", " ".repeat(function.indent))).trim_start();
                at = function.range.end;
            }
            out + &text[at..]
        };
        self.files.iter().map(|named| (&*named.0, file(named))).collect()
    }

    fn called<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Function> {
        self.functions.iter().filter(move |function| function.name == name)
    }
}

impl Function {
    /// `range` is where it is in the file's text, in bytes.
    fn new(file: &str, text: &str, (name, range): (String, Range<usize>)) -> Self {
        let line = 1 + text[..range.start].matches('\n').count();
        let indent = text[..range.start].rsplit('\n').next().unwrap_or_default().len();
        let text = dedent(&text[range.clone()], indent);
        let parsed = syn::parse_str(&text).expect("it was a function in its file");
        Self { name, file: file.into(), text, range, indent, line, parsed }
    }

    fn as_it_stands(&self) -> Reading {
        self.reading(self.text.clone(), decide::asked(&self.parsed))
    }

    fn reading(&self, text: String, asks: BTreeSet<String>) -> Reading {
        Reading { place: format!("{}:{}", self.file, self.line), text, asks, left_out: Vec::new() }
    }
}

/// Takes away `by` spaces in front of each line that has them.
fn dedent(text: &str, by: usize) -> String {
    let lines = text.lines().map(|line| {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        &line[spaces.min(by)..]
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Finds functions, and where they are.
struct Collect {
    found: Vec<(String, Range<usize>)>,
}

impl Collect {
    fn keep(&mut self, attributes: &[Attribute], name: &syn::Ident, span: proc_macro2::Span) {
        let tests = attributes.iter().any(|attribute| attribute.path().is_ident("test"));
        if !tests {
            self.found.push((name.to_string(), span.byte_range()));
        }
    }
}

impl<'ast> Visit<'ast> for Collect {
    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.keep(&function.attrs, &function.sig.ident, syn::spanned::Spanned::span(function));
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.keep(&function.attrs, &function.sig.ident, syn::spanned::Spanned::span(function));
    }
}
