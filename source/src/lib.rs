//! Functions of the protocol as one protocol reads them: where they ask a rule, only what its arm
//! does is left.
//!
//! It works on the text, so that comments and the lines of the source stay: the syntax tree says
//! what stands where, and what is not taken is cut out. An expression is decided when it depends on
//! rules alone; so is a variable that is bound to such an expression, and a call of a function of
//! which nothing else is left, whatever it is given, as long as that takes no step. What is decided
//! and still needed is written as the value that it has.
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

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use decide::Known;
use steps::Step;
use syn::visit::Visit;
use syn::{Attribute, ImplItemFn, ItemFn, Visibility};

/// For each rule its type and the arm that is chosen, as the source spells them: `wp_lock`,
/// `WpLock`, `Trylock`.
pub type Choices = BTreeMap<&'static str, (&'static str, &'static str)>;

/// The functions of some files.
pub struct Sources {
    files: Vec<(String, String)>,
    functions: Vec<Function>,
    /// Which ones are called so.
    named: BTreeMap<String, Vec<usize>>,
    /// The functions that are one expression; none where two have the name.
    bodies: BTreeMap<String, Option<decide::Body>>,
    /// What has been asked for already.
    cuts: RefCell<BTreeMap<Choices, Rc<Cuts>>>,
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
    steps: Vec<Step>,
}

/// All the functions under some choices, in the order of the files.
struct Cuts {
    texts: Vec<String>,
    /// Which ones each calls.
    calls: Vec<BTreeSet<usize>>,
    /// What may be called from outside, and all that is called from there.
    alive: BTreeSet<usize>,
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
    /// Somebody calls it, or it is called from outside.
    pub alive: bool,
}

/// A function that was asked for.
pub struct Found<'s> {
    function: &'s Function,
    /// Which one it is of all.
    at: usize,
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
        let (mut bodies, mut named) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        for (at, function) in functions.iter().enumerate() {
            named.entry(function.name.clone()).or_default().push(at);
            let body = decide::Body::of(&function.parsed);
            bodies.entry(function.name.clone()).and_modify(|known| *known = None).or_insert(body);
        }
        Ok(Self { files: kept, functions, named, bodies, cuts: RefCell::default() })
    }

    /// The names of the functions, in the order of the files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(|function| &*function.name)
    }

    /// The names of steps, without their numbers: some are no function's.
    pub fn names_of_steps(&self) -> BTreeSet<String> {
        let steps = self.functions.iter().flat_map(|function| &function.steps);
        steps.map(|step| step.of.clone()).collect()
    }

    /// The functions called `name`, as they stand.
    pub fn whole(&self, name: &str) -> Vec<Reading> {
        self.called(name).map(|at| self.functions[at].as_it_stands()).collect()
    }

    /// The functions called `name`, as they are under these choices.
    pub fn under(&self, choices: &Choices, name: &str) -> Vec<Reading> {
        let cuts = self.cuts(choices);
        let under = |at: usize| self.functions[at].reading(&cuts.texts[at]);
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
        let found = self.functions.iter().enumerate().filter_map(|(at, function)| {
            let steps: Vec<_> = function
                .steps
                .iter()
                .filter(|step| step.of == of)
                .map(|step| step.number)
                .collect();
            let wanted = match number {
                Some(number) => steps.contains(&number),
                None => function.name == of || !steps.is_empty(),
            };
            wanted.then_some(Found { function, at, steps })
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|found| found.steps.first().copied());
        found
    }

    /// A function as it stands.
    pub fn as_it_stands(&self, found: &Found<'_>) -> Reading {
        found.function.as_it_stands()
    }

    /// The functions that go by `name`, as they are under these choices: from the one called so, or
    /// the first that has a step of it, what is called from there. What has no steps is among them
    /// where only this protocol comes by: what the steps called `name` describe is
    /// `described(name)`.
    ///
    /// The sentence of a step stands only where what it says is done: where the code of the step, and
    /// what that calls that has no steps, is as it is under what is described; nor if it rests on a
    /// sentence that is left out.
    pub fn told(
        &self,
        name: &str,
        choices: &Choices,
        described: impl Fn(&str) -> Choices,
    ) -> Vec<(Found<'_>, Reading)> {
        let mut found = self.find(name);
        let (cuts, there) = (self.cuts(choices), self.cuts(&described(steps::owner(name))));
        let Some(first) = found
            .iter()
            .position(|found| found.name() == name)
            .or_else(|| found.iter().position(|found| cuts.alive.contains(&found.at)))
            .or((!found.is_empty()).then_some(0))
        else {
            return Vec::new();
        };
        let only_from = |at: usize, reached: &[Found<'_>]| {
            cuts.alive
                .iter()
                .filter(|&&from| cuts.calls[from].contains(&at))
                .all(|from| reached.iter().any(|found| found.at == *from))
        };
        let mut reached = vec![found.remove(first)];
        let mut next = 0;
        while let Some(from) = reached.get(next).map(|found| found.at) {
            for &at in &cuts.calls[from] {
                if reached.iter().any(|found| found.at == at) {
                    continue;
                }
                let function = &self.functions[at];
                if let Some(wanted) = found.iter().position(|found| found.at == at) {
                    reached.push(found.remove(wanted));
                } else if name == steps::owner(name)
                    && function.steps.is_empty()
                    && !there.alive.contains(&at)
                    && only_from(at, &reached)
                {
                    reached.push(Found { function, at, steps: Vec::new() });
                }
            }
            next += 1;
        }
        let of = steps::owner(name);
        let mut told: Vec<_> = reached
            .into_iter()
            .map(|found| {
                let reading = self.reading(found.at, &cuts, &described);
                (found, reading)
            })
            .collect();
        let unreached = found.iter().flat_map(|found| &found.steps);
        let unreached: BTreeSet<_> = unreached.collect();
        told[0].1.left_out.extend(unreached.into_iter().map(|number| format!("{of}.{number}")));
        told
    }

    fn reading(&self, at: usize, cuts: &Cuts, described: &impl Fn(&str) -> Choices) -> Reading {
        let (function, text) = (&self.functions[at], &cuts.texts[at]);
        let (mut gone, mut left_out) = (Vec::new(), Vec::new());
        for step in &function.steps {
            if !self.is_true(at, step, cuts, &self.cuts(&described(&step.of))) {
                let here = steps::of(text).into_iter().filter(|here| here.name() == step.name());
                gone.extend(here.map(|here| here.lines));
                left_out.push(step.name());
            }
        }
        let reading = function.reading(&steps::without(text, &gone));
        Reading { left_out, alive: cuts.alive.contains(&at), ..reading }
    }

    /// Does a step do the same in both, and the one that its sentence rests on?
    fn is_true(&self, at: usize, step: &Step, here: &Cuts, there: &Cuts) -> bool {
        let code = |cuts: &Cuts| {
            let steps = steps::of(&cuts.texts[at]).into_iter();
            steps.filter(|other| other.name() == step.name()).map(|step| step.code).next()
        };
        let same = code(here).filter(|same| Some(same) == code(there).as_ref());
        if !same.is_some_and(|code| self.helps_alike(&code, here, there, &mut BTreeSet::new())) {
            return false;
        }
        let is_before = |other: &Step| other.of == step.of && other.number + 1 == step.number;
        let mut functions = self.functions.iter().enumerate();
        !step.rests_on_another
            || functions.all(|(at, function)| {
                let before = function.steps.iter().find(|other| is_before(other));
                before.is_none_or(|before| {
                    here.alive.contains(&at) && self.is_true(at, before, here, there)
                })
            })
    }

    /// Do the functions that are called in this code, and have no steps of their own, do the same
    /// in both?
    fn helps_alike(
        &self,
        code: &str,
        one: &Cuts,
        other: &Cuts,
        seen: &mut BTreeSet<usize>,
    ) -> bool {
        steps::called(code).into_iter().flat_map(|name| self.called(name)).all(|at| {
            if !seen.insert(at) || !self.functions[at].steps.is_empty() {
                return true;
            }
            let [here, there] = [one, other].map(|cuts| steps::code(&cuts.texts[at]));
            here == there && self.helps_alike(&here, one, other, seen)
        })
    }

    /// All the functions under these choices. What one comes to changes those that call it, so that
    /// they are cut again, until nothing does.
    fn cuts(&self, choices: &Choices) -> Rc<Cuts> {
        if let Some(known) = self.cuts.borrow().get(choices) {
            return Rc::clone(known);
        }
        let mut come_to = BTreeMap::new();
        let mut texts = vec![String::new(); self.functions.len()];
        let mut changed: Vec<_> = (0..texts.len()).collect();
        while !changed.is_empty() {
            let known = Known::under(choices, &self.bodies, &come_to);
            let mut news = BTreeMap::new();
            for &at in &changed {
                let Function { name, text, parsed, .. } = &self.functions[at];
                texts[at] = cut::under(text, parsed, &known);
                let left = syn::parse_str(&texts[at]).expect("it is looked at when it is cut");
                if let Some(value) = decide::comes_to(&left, &known)
                    && self.called(name).count() == 1
                    && !come_to.contains_key(name)
                {
                    news.insert(name.clone(), value);
                }
            }
            let calls_one = |at: &usize| {
                steps::called(&texts[*at]).into_iter().any(|called| news.contains_key(called))
            };
            changed = (0..texts.len()).filter(calls_one).collect();
            come_to.extend(news);
        }
        let calls: Vec<_> = texts.iter().map(|text| self.calls(text)).collect();
        let mut called = BTreeSet::new();
        for function in &self.functions {
            let calls = self.calls(&function.text).into_iter();
            called.extend(calls.filter(|&at| self.functions[at].name != function.name));
        }
        let is_entered = |&at: &usize| {
            matches!(self.functions[at].parsed.vis, Visibility::Public(_)) || !called.contains(&at)
        };
        let mut alive = BTreeSet::new();
        let mut coming: Vec<_> = (0..texts.len()).filter(is_entered).collect();
        while let Some(at) = coming.pop() {
            if alive.insert(at) {
                coming.extend(&calls[at]);
            }
        }
        let cuts = Rc::new(Cuts { texts, calls, alive });
        self.cuts.borrow_mut().insert(choices.clone(), Rc::clone(&cuts));
        cuts
    }

    fn calls(&self, text: &str) -> BTreeSet<usize> {
        let code = steps::code(text);
        steps::called(&code).into_iter().flat_map(|name| self.called(name)).collect()
    }

    /// All the files as they are under these choices.
    pub fn all_under(&self, choices: &Choices) -> Vec<(&str, String)> {
        let cuts = self.cuts(choices);
        let file = |(file, text): &'_ (String, String)| {
            let (mut out, mut at) = (String::new(), 0);
            let functions = self.functions.iter().zip(&cuts.texts);
            for (function, cut) in functions.filter(|(function, _)| function.file == *file) {
                out += &text[at..function.range.start];
                out +=
                    cut.replace('\n', &format!("\n{}", " ".repeat(function.indent))).trim_start();
                at = function.range.end;
            }
            out + &text[at..]
        };
        self.files.iter().map(|named| (&*named.0, file(named))).collect()
    }

    fn called(&self, name: &str) -> impl Iterator<Item = usize> {
        self.named.get(name).into_iter().flatten().copied()
    }
}

impl Function {
    /// `range` is where it is in the file's text, in bytes.
    fn new(file: &str, text: &str, (name, range): (String, Range<usize>)) -> Self {
        let line = 1 + text[..range.start].matches('\n').count();
        let indent = text[..range.start].rsplit('\n').next().unwrap_or_default().len();
        let text = dedent(&text[range.clone()], indent);
        let parsed = syn::parse_str(&text).expect("it was a function in its file");
        let steps = steps::of(&text);
        Self { name, file: file.into(), text, range, indent, line, parsed, steps }
    }

    fn as_it_stands(&self) -> Reading {
        self.reading(&self.text)
    }

    fn reading(&self, text: &str) -> Reading {
        Reading {
            place: format!("{}:{}", self.file, self.line),
            text: text.to_owned(),
            asks: decide::asked(&self.parsed),
            left_out: Vec::new(),
            alive: true,
        }
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
