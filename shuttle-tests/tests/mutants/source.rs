//! `lockwalk source` cuts out what a protocol does not take. That nothing else is gone is seen by
//! running what is left.

use std::collections::BTreeSet;
use std::path::PathBuf;

use lockwalk::{Era, Protocol};
use lockwalk_source::{Choices, Sources};
use proc_macro2::TokenStream;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Lit, Macro, Pat, Token};

use super::common::each;
use super::sweep::{Copy, End, run, workspace};

/// The files of `src/mm`.
fn files() -> Vec<(String, String)> {
    let files = std::fs::read_dir(workspace().join("src/mm")).expect("a folder of sources");
    let mut files: Vec<_> = files
        .map(|file| {
            let path = file.expect("a folder that can be read").path();
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (format!("src/mm/{name}"), std::fs::read_to_string(path).expect("a source file"))
        })
        .collect();
    files.sort();
    files
}

fn sources() -> Sources {
    Sources::new(files().iter().map(|(file, text)| (&**file, &**text))).expect("it compiles")
}

fn choices(protocol: &Protocol) -> Choices {
    protocol
        .rules
        .spelled()
        .into_iter()
        .map(|(rule, its_type, arm)| (rule, (its_type, arm)))
        .collect()
}

/// Looks for conditions that come to the same whatever happens.
struct Decided<'t> {
    text: &'t str,
    /// The types of rules.
    rules: BTreeSet<&'static str>,
    found: Vec<String>,
}

impl Decided<'_> {
    /// `true`, `None`, or an arm of a rule.
    fn is_known(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Paren(inner) => self.is_known(&inner.expr),
            Expr::Unary(unary) => self.is_known(&unary.expr),
            Expr::Lit(lit) => matches!(lit.lit, Lit::Bool(_)),
            Expr::Path(path) => {
                let names: Vec<_> = path.path.segments.iter().map(|one| &one.ident).collect();
                match names[..] {
                    [name] => name == "None",
                    [rule, _] => self.rules.contains(&*rule.to_string()),
                    _ => false,
                }
            }
            _ => false,
        }
    }

    fn asks_what_is_known(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Binary(two) => match two.op {
                BinOp::And(_) | BinOp::Or(_) => {
                    self.is_known(&two.left) || self.is_known(&two.right)
                }
                _ => self.is_known(&two.left) && self.is_known(&two.right),
            },
            Expr::Unary(unary) => self.is_known(&unary.expr),
            Expr::If(branch) => self.is_known(&branch.cond),
            Expr::While(looped) => self.is_known(&looped.cond),
            Expr::Match(asked) => {
                let guards = asked.arms.iter().filter_map(|arm| match &arm.pat {
                    Pat::Guard(guarded) => Some(&*guarded.guard),
                    _ => None,
                });
                [&*asked.expr].into_iter().chain(guards).any(|expr| self.is_known(expr))
            }
            Expr::Let(bound) => self.is_known(&bound.expr),
            Expr::MethodCall(call) => {
                let chooses = ["filter", "is_some_and", "is_none_or", "any", "all"];
                let is_told =
                    |arg: &Expr| matches!(arg, Expr::Closure(told) if self.is_known(&told.body));
                self.is_known(&call.receiver)
                    || chooses.iter().any(|name| call.method == name)
                        && call.args.iter().any(is_told)
            }
            _ => false,
        }
    }
}

impl<'ast> Visit<'ast> for Decided<'_> {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        if self.asks_what_is_known(expr) {
            self.found.push(self.text[expr.span().byte_range()].to_owned());
        }
        visit::visit_expr(self, expr);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let scrutinee = |input: ParseStream<'_>| {
            let asked = input.parse::<Expr>()?;
            input.parse::<TokenStream>()?;
            Ok(asked)
        };
        if call.path.is_ident("matches") {
            let asked = call.parse_body_with(scrutinee).expect("it asks something");
            if self.is_known(&asked) {
                self.found.push(call.tokens.to_string());
            }
            self.visit_expr(&asked);
        } else if let Ok(all) =
            call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated)
        {
            all.iter().for_each(|one| self.visit_expr(one));
        }
    }
}

/// Under protocols of every kind, each function is Rust still, and asks nothing any more: neither a
/// rule, nor what a rule has decided.
#[test]
fn what_is_left_asks_no_rule() {
    asks_no_rule(&[Era::RMAP_10, Era::V2_6_34, Era::DOCUMENT_2, Era::V7_3]);
}

/// And under all that have a name.
#[test]
#[ignore = "takes twenty seconds"]
fn what_is_left_never_asks_a_rule() {
    asks_no_rule(&Era::all());
}

fn asks_no_rule(protocols: &[Protocol]) {
    let sources = sources();
    for protocol in protocols {
        let choices = choices(protocol);
        for (file, text) in sources.all_under(&choices) {
            let parsed = syn::parse_file(&text)
                .unwrap_or_else(|error| panic!("{file} under {protocol} is no Rust: {error}"));
            let rules = choices.values().map(|&(rule, _)| rule).collect();
            let mut decided = Decided { text: &text, rules, found: Vec::new() };
            decided.visit_file(&parsed);
            assert_eq!(decided.found, [""; 0], "{file} under {protocol}");
            for (at, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let asks = code.contains("rules()") && !code.contains("fn rules()");
                assert!(!asks, "{file} under {protocol} asks still, in line {}: {line}", at + 1);
            }
        }
    }
}

/// All that the catalogue says of a kernel is as before where `src/mm` holds nothing but what that
/// kernel takes: verdicts, executions, and how many classes of interleavings there are.
#[test]
#[ignore = "builds lockwalk once for each kernel"]
fn what_is_left_does_the_same() {
    let sources = sources();
    let whole = Copy::build("source-whole", &[], "");
    for protocol in
        [Era::RMAP_10, Era::DOCUMENT_0, Era::V2_6_34, Era::V5_19, Era::V6_18, Era::DOCUMENT_2]
    {
        let files = sources.all_under(&choices(&protocol));
        let texts: Vec<_> =
            files.into_iter().map(|(file, text)| (PathBuf::from(file), text)).collect();
        let cut = Copy::build("source-cut", &texts, "");
        let listed = run(&mut whole.verdicts(&["--cases"]), "");
        let name = protocol.to_string();
        let cases: Vec<_> =
            listed.stdout.lines().filter(|case| case.split('\t').nth(1) == Some(&*name)).collect();
        assert!(cases.len() > 5, "the catalogue has next to nothing under {protocol}");
        each(&cases, |case| {
            let args: Vec<_> = ["--case"].into_iter().chain(case.split('\t')).collect();
            let [before, after] = [&whole, &cut].map(|copy| run(&mut copy.verdicts(&args), ""));
            assert!(
                before.end == End::Well && after.end == End::Well,
                "{case}: {}{}",
                before.stderr,
                after.stderr
            );
            assert_eq!(before.stdout, after.stdout, "{case}");
        });
        println!("{protocol}: {} cases as before", cases.len());
    }
}
