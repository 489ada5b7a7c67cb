//! Orderings and barriers of `src/mm`, weakened one by one: which of them does a race need, and
//! under which memory model?
//!
//! A mutant makes a load or a store with an ordering relaxed, leaves out a fence, or takes the full
//! barriers away from an atomic that returns a value, and the release from a publication
//! (`add_return_relaxed`, and so on). Locks, read sections and grace periods are orderings as well;
//! [the first sweep](super) leaves them out as a whole.
//!
//! It is tried on the cases that are exhausted under the model as the code stands, with four times
//! the executions that this took and 32 more. What counts is a clause that is violated then, and
//! was not before. What an ordering is for in a case that is not
//! exhausted, because its loops have no end under weak memory, this cannot tell; it says how many
//! cases were tried, and how many executions that took.

use std::collections::BTreeSet;
use std::path::PathBuf;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprMethodCall, ImplItemFn, ItemFn, Signature};

use super::sites::{Edit, Kind, Mutant, apply, number, on_one_line};
use super::sweep::{Copy, End, files, run};
use super::{Kill, each};

/// Cases with more executions under a model, or that take more than a moment, are not tried, unless
/// `LOCKWALK_MOST` says otherwise.
const MOST: u64 = 512;

/// Atomics and what else is ordered without naming it; each with the number of its arguments.
const IMPLIED: [(&str, usize); 9] = [
    ("inc_not_zero", 0),
    ("test_and_set", 0),
    ("test_and_clear", 0),
    ("cmpxchg", 2),
    ("update", 1),
    ("update_if", 1),
    ("xchg", 1),
    ("add_return", 1),
    ("publish", 1),
];
/// Words whose every write is an atomic that returns the value before.
const ENTRIES: [&str; 4] = ["state_change", "has_cache", "writeback", "pte"];

/// The memory models that a weaker ordering makes a difference to: x86 locks every atomic, and
/// keeps loads in order and stores; nor do loads overtake each other where stores do.
pub fn models(mutant: &Mutant) -> &'static [&'static str] {
    match &*mutant.code {
        code if code.contains("SeqCst") => &["tso", "pso", "weak"],
        code if code.contains("Acquire") => &["weak"],
        _ => &["pso", "weak"],
    }
}

/// The mutants, and each file that has any, with them in it.
pub fn mutants() -> (Vec<Mutant>, Vec<(PathBuf, String)>) {
    let (mut mutants, mut texts) = (Vec::new(), Vec::new());
    for (file, source) in files("src/mm") {
        let syntax = syn::parse_file(&source).expect("it compiles");
        let name = file.file_name().expect("a file").to_string_lossy().into_owned();
        let mut finder = Finder { source: &source, file: name, function: None, found: Vec::new() };
        finder.visit_file(&syntax);
        number(&mut finder.found);
        let text = apply(&source, &finder.found, &[], mutants.len());
        if text != source {
            texts.push((file, text));
        }
        mutants.append(&mut finder.found);
    }
    (mutants, texts)
}

struct Finder<'s> {
    source: &'s str,
    file: String,
    function: Option<String>,
    found: Vec<Mutant>,
}

impl Finder<'_> {
    fn text(&self, span: Span) -> &str {
        &self.source[span.byte_range()]
    }

    fn push(&mut self, at: Span, edit: Edit) {
        let Some(function) = self.function.clone() else { return };
        let (code, line) = (on_one_line(self.text(at)), at.start().line);
        let (kind, file) = (Kind::Relaxed, self.file.clone());
        self.found.push(Mutant { kind, file, line, function, code, nth: 0, edits: vec![edit] });
    }

    fn in_function(&mut self, signature: &Signature, visit: impl FnOnce(&mut Self)) {
        let before = self.function.replace(signature.ident.to_string());
        visit(self);
        self.function = before;
    }

    /// Is it one of [`ENTRIES`]?
    fn is_entry(&self, receiver: &Expr) -> bool {
        match receiver {
            Expr::Field(field) => ENTRIES.contains(&self.text(field.member.span())),
            Expr::MethodCall(call) => ENTRIES.contains(&&*call.method.to_string()),
            Expr::Index(index) => self.is_entry(&index.expr),
            _ => false,
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.in_function(&function.sig, |this| visit::visit_item_fn(this, function));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.in_function(&function.sig, |this| visit::visit_impl_item_fn(this, function));
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let (method, span) = (call.method.to_string(), call.span());
        let implied = IMPLIED.contains(&(&*method, call.args.len()))
            || method.starts_with("write") && call.args.len() == 1 && self.is_entry(&call.receiver);
        let orders =
            |order: &&Expr| ["Acquire", "Release", "SeqCst"].contains(&self.text(order.span()));
        let named =
            call.args.last().filter(|_| ["load", "store"].contains(&&*method)).filter(orders);
        if implied {
            let (all, name) = (span.byte_range(), call.method.span().byte_range());
            let (word, arguments) =
                (&self.source[all.start..name.end], &self.source[name.end..all.end]);
            let before =
                format!("(if crate::mutant({{n}}) {{ {word}_relaxed{arguments} }} else {{ ");
            self.push(span, Edit::around(all, &before, " })"));
        } else if let Some(order) = named {
            let relaxed = "(if crate::mutant({n}) { std::sync::atomic::Ordering::Relaxed } else { ";
            self.push(span, Edit::around(order.span().byte_range(), relaxed, " })"));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        let is_fence = |path: &syn::ExprPath| {
            path.path.segments.last().is_some_and(|last| last.ident == "fence")
        };
        if matches!(&*call.func, Expr::Path(path) if is_fence(path)) {
            let edit = Edit::around(call.span().byte_range(), "(if !crate::mutant({n}) { ", "; })");
            self.push(call.span(), edit);
        }
        visit::visit_expr_call(self, call);
    }
}

/// A case under a memory model, as the code stands.
pub struct Case {
    /// Race and protocol, with a tab between.
    name: String,
    /// As `examples/verdicts.rs` prints it, if it is exhausted.
    exhausted: Option<String>,
    reached: BTreeSet<usize>,
}

/// Those of the cases, or all, under a memory model, and by which places they come.
pub fn baseline(copy: &Copy, memory: &str, cases: Option<Vec<String>>) -> Vec<Case> {
    let cases = cases.unwrap_or_else(|| {
        let listed = run(&mut copy.verdicts(&["--cases"]), "");
        listed.stdout.lines().map(str::to_owned).collect()
    });
    let most = std::env::var("LOCKWALK_MOST").unwrap_or_else(|_| MOST.to_string());
    each(&cases, |case| {
        let mut command = copy.verdicts(&["--memory", memory, &most]);
        let run = run(command.env("LOCKWALK_LISTEN", "1"), case);
        assert!(run.end == End::Well, "{case} under {memory}: {}", run.stderr);
        let reached = |line: &str| line.strip_prefix("REACHED ")?.parse().ok();
        let reached = run.stderr.lines().filter_map(reached).collect();
        let exhausted = run.stdout.lines().next().map(str::to_owned);
        Case { name: case.clone(), exhausted, reached }
    })
}

/// The cases that come by one of these places.
pub fn coming_by(cases: &[Case], places: &[usize]) -> Vec<String> {
    let comes = |case: &&Case| places.iter().any(|n| case.reached.contains(n));
    cases.iter().filter(comes).map(|case| case.name.clone()).collect()
}

/// The first case of which another clause is violated; or in how many none is.
pub fn noticed(copy: &Copy, memory: &str, n: usize, cases: &[Case]) -> Kill {
    let lines: Vec<_> = cases
        .iter()
        .filter(|case| case.reached.contains(&n))
        .filter_map(|case| case.exhausted.as_deref())
        .collect();
    let mut command = copy.verdicts(&["--weakened", memory]);
    let run = run(command.env("LOCKWALK_MUTANT", n.to_string()), &lines.join("\n"));
    let said = run.stdout.lines().next().and_then(Kill::read);
    said.filter(|_| run.end == End::Well)
        .unwrap_or_else(|| panic!("mutant {n} under {memory}: {}", run.stderr))
}
