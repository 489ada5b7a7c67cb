//! Functions of the protocol as one protocol reads them: where they ask a rule, only what its arm
//! does is left.
//!
//! It works on the text, so that comments and the lines of the source stay: the syntax tree says
//! what stands where, and what is not taken is cut out. An expression is decided when it depends on
//! rules alone; so is a function without arguments whose body is such an expression, and a variable
//! that is bound to one. What is decided and still needed is written as the value that it has.
//! Everything else stays as it is: what comes out does what the source does under the protocol.
//! What comes to `None` is followed as well, so that it need not be guessed of which type it is.

mod cut;
mod decide;

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

    /// The functions called `name`, as they stand.
    pub fn whole(&self, name: &str) -> Vec<Reading> {
        self.called(name)
            .map(|function| {
                function.reading(function.text.clone(), decide::asked(&function.parsed))
            })
            .collect()
    }

    /// The functions called `name`, as they are under these choices.
    pub fn under(&self, choices: &Choices, name: &str) -> Vec<Reading> {
        let under = |function: &Function| {
            let text = cut::under(&function.text, &function.parsed, choices, &self.bodies);
            function.reading(text, decide::asked(&function.parsed))
        };
        self.called(name).map(under).collect()
    }

    /// All the files as they are under these choices.
    pub fn all_under(&self, choices: &Choices) -> Vec<(&str, String)> {
        let file = |(file, text): &'_ (String, String)| {
            let (mut out, mut at) = (String::new(), 0);
            for function in self.functions.iter().filter(|function| function.file == *file) {
                let cut = cut::under(&function.text, &function.parsed, choices, &self.bodies);
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

    fn reading(&self, text: String, asks: BTreeSet<String>) -> Reading {
        Reading { place: format!("{}:{}", self.file, self.line), text, asks }
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
