//! Announcements taken away one by one: what is not announced, the exhaustive scheduler does not
//! know to reverse, and a verdict may be false.
//!
//! A mutant drops one announcement, weakens it, or keeps from the scheduler what a step read. In
//! `src/sync` and below it that concerns a method of a type, wherever it is called; in `src/mm` one
//! call of a method that announces plain reading or writing, be it of a ghost. The places are found
//! in the syntax tree, by the methods' names; that a call of such a name announces nothing, because
//! it is another type's (of data that locks keep apart, or a fact of the world), is seen when a case
//! comes by. To drop an announcement is to do without a step what it is about.
//!
//! What finds it: the commutation check (`lockwalk selfcheck`), the tests of what announces, or
//! another number of classes of interleavings, which the catalogue's golden verdicts say. Where
//! none of them finds anything, the counts are the argument: an announcement that orders two steps
//! which nothing else orders tells two classes apart, so if all classes are still there, the
//! announcement orders nothing. What is read can be kept from the scheduler without a difference to
//! the counts; of that, `announcements.txt` says why it is no worse.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Expr, ExprCall, ExprMethodCall, ExprPath, ExprStruct, ImplItemFn, Item, ItemFn, ItemMod,
    ReturnType, Signature, Stmt,
};

use super::sites::{Edit, Kind, Mutant, apply, number};
use super::sweep::{files, workspace};

/// Appended to the copy's `src/lib.rs`. Whatever announces the next step, at each of several
/// levels, says so just before; what is dropped is told there. Then `silent` says to the one who
/// would announce it whether to.
pub const SILENCER: &str = r#"
#[doc(hidden)]
pub mod silencer {
    use std::cell::{Cell, RefCell};

    thread_local! {
        static NEXT: RefCell<[Option<usize>; 4]> = const { RefCell::new([None; 4]) };
        static SILENT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// What comes next is announced here.
    pub fn next<T>(level: usize, n: usize, value: T) -> T {
        if crate::sync::cpu() != crate::sync::BOOT {
            NEXT.with_borrow_mut(|next| next[level] = Some(n));
        }
        value
    }

    /// It was; or else it was something of the same name that announces nothing, which is told to
    /// whoever listens.
    pub fn done<T>(level: usize, value: T) -> T {
        if let Some(n) = NEXT.with_borrow_mut(|next| next[level].take()) {
            crate::nothing_there(n);
        }
        value
    }

    /// A step is to be announced: is it not to be? Or else what the last one read: is that one's
    /// not?
    pub fn silent(step: bool) -> bool {
        if !step {
            return SILENT.get() == Some(dpor::me());
        }
        let next = NEXT.with_borrow_mut(std::mem::take);
        // All of them: those that listen want to know.
        let silent = next.into_iter().flatten().fold(false, |silent, n| crate::mutant(n) | silent);
        SILENT.set(silent.then(dpor::me));
        silent
    }
}
"#;

/// Levels of [`SILENCER`]: a call in `src/mm`, what it asks for in `src/sync`, what that makes of
/// it, and what is handed to the scheduler.
const CALL: usize = 0;
const STEP: usize = 1;
const MADE: usize = 2;
const HANDED: usize = 3;

/// What is less than an access of a kind; of a try, whose outcome has to be said, only another try.
fn weaker(access: &str) -> &'static [&'static str] {
    match access {
        "Write" | "Rmw" => &["Update", "Read"],
        "Update" => &["Read"],
        "Acquire" => &["AcquireShared", "Wait"],
        "AcquireShared" => &["Wait"],
        "TryAcquire" => &["TryAcquireShared"],
        "Release" => &["ReleaseShared", "Read"],
        "ReleaseShared" => &["Read"],
        _ => &[],
    }
}

/// Where steps are announced: the vocabulary, and what makes it steps of the scheduler's.
const ANNOUNCING: [&str; 3] = ["src/sync", "src/engine", "src/engine/shuttle"];

/// Not the engine that is asked.
const OTHER_ENGINES: [&str; 2] = ["native.rs", "loom.rs"];

/// Where the scheduler is told what was read.
const TOLD: &str = "src/exec/told.rs";

/// The mutants, and each file that has any, with them in it.
pub fn mutants() -> (Vec<Mutant>, Vec<(PathBuf, String)>) {
    let told = fs::read_to_string(workspace().join(TOLD)).expect("a source file");
    let sync: Vec<_> = ANNOUNCING
        .into_iter()
        .flat_map(|folder| {
            let tests = tests_of(folder);
            files(folder)
                .into_iter()
                .filter(move |(file, _)| !tests.iter().any(|t| file.ends_with(t)))
        })
        .filter(|(file, _)| !OTHER_ENGINES.iter().any(|other| file.ends_with(other)))
        .chain([(TOLD.into(), told)])
        .collect();
    let announcing = announcing(&sync);
    let (mut mutants, mut texts) = (Vec::new(), Vec::new());
    for (files, level) in [(sync, None), (files("src/mm"), Some(&announcing))] {
        for (file, source) in files {
            let mut finder = Finder::new(&file, &source, level);
            finder.visit_file(&parse(&file, &source));
            number(&mut finder.mutants);
            let text = apply(&source, &finder.mutants, &finder.silencing, mutants.len());
            if text != source {
                texts.push((file.clone(), text));
            }
            mutants.append(&mut finder.mutants);
        }
    }
    (mutants, texts)
}

/// The files that its `mod.rs` has for tests alone.
fn tests_of(folder: &str) -> Vec<String> {
    let file = Path::new(folder).join("mod.rs");
    let source = fs::read_to_string(workspace().join(&file)).expect("a source file");
    let tests = |item: &Item| match item {
        Item::Mod(module) if is_test(module) => Some(format!("{}.rs", module.ident)),
        _ => None,
    };
    parse(&file, &source).items.iter().filter_map(tests).collect()
}

fn parse(file: &Path, source: &str) -> syn::File {
    syn::parse_file(source).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A method, and how many arguments it takes.
type Method = (String, usize);

/// The methods that announce reading or writing and nothing else: what locks wait for is not among
/// them.
fn announcing(sync: &[(PathBuf, String)]) -> BTreeSet<Method> {
    let mut methods = Methods::default();
    sync.iter().for_each(|(file, source)| methods.visit_file(&parse(file, source)));
    let Methods { mut announcing, mut locking, calls, .. } = methods;
    spread(&mut locking, &calls);
    spread(&mut announcing, &calls);
    announcing.difference(&locking).cloned().collect()
}

/// Whoever calls one of them is one of them.
fn spread(methods: &mut BTreeSet<Method>, calls: &BTreeSet<(Method, Method)>) {
    loop {
        let callers = calls
            .iter()
            .filter(|(caller, called)| methods.contains(called) && !methods.contains(caller));
        let more: Vec<_> = callers.map(|(caller, _)| caller.clone()).collect();
        if more.is_empty() {
            return;
        }
        methods.extend(more);
    }
}

#[derive(Default)]
struct Methods {
    current: Option<Method>,
    announcing: BTreeSet<Method>,
    locking: BTreeSet<Method>,
    /// Which calls which other of the same object.
    calls: BTreeSet<(Method, Method)>,
}

impl<'ast> Visit<'ast> for Methods {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(module) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !makes_steps(&function.sig) && function.sig.receiver().is_some() {
            self.current = Some((function.sig.ident.to_string(), function.sig.inputs.len() - 1));
            visit::visit_impl_item_fn(self, function);
            self.current = None;
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if let Some(method) = self.current.clone() {
            if call.method == "step" && call.args.iter().all(is_order) {
                self.announcing.insert(method.clone());
            }
            if matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self")) {
                self.calls.insert((method, (call.method.to_string(), call.args.len())));
            }
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        let (Some(method), Some(access)) = (self.current.clone(), access(path)) else { return };
        let data = ["Read", "Write", "Rmw", "Update"].contains(&&*access);
        if data { &mut self.announcing } else { &mut self.locking }.insert(method);
    }
}

/// Does it say how a step is ordered, and not which access it is?
fn is_order(argument: &Expr) -> bool {
    matches!(
        argument,
        Expr::Path(path) if path.path.segments.first().is_some_and(|first| first.ident == "Order")
    )
}

fn is_test(module: &ItemMod) -> bool {
    module.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"))
}

/// Is it one that only says what a step is?
fn makes_steps(signature: &Signature) -> bool {
    matches!(
        &signature.output,
        ReturnType::Type(_, kind)
            if matches!(&**kind, syn::Type::Path(path) if path.path.is_ident("Step"))
    )
}

/// `Read`, of `Access::Read`.
fn access(path: &ExprPath) -> Option<String> {
    let mut names = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
    let (last, kind) = (names.next()?, names.next()?);
    (kind == "Access").then_some(last)
}

struct Finder<'s> {
    source: &'s str,
    /// As `sync/word.rs`.
    file: String,
    /// In `src/mm`, the methods that announce something.
    announcing: Option<&'s BTreeSet<Method>>,
    function: Option<String>,
    mutants: Vec<Mutant>,
    /// Where the scheduler is told.
    silencing: Vec<Edit>,
}

impl<'s> Finder<'s> {
    fn new(file: &Path, source: &'s str, announcing: Option<&'s BTreeSet<Method>>) -> Self {
        let file = file.strip_prefix("src").expect("below src").display().to_string();
        Self {
            source,
            file,
            announcing,
            function: None,
            mutants: Vec::new(),
            silencing: Vec::new(),
        }
    }

    fn text(&self, span: Span) -> String {
        super::sites::on_one_line(&self.source[span.byte_range()])
    }

    fn push(&mut self, kind: Kind, span: Span, code: String, edits: Vec<Edit>) {
        let Some(function) = self.function.clone() else { return };
        self.mutants.push(Mutant {
            kind,
            file: self.file.clone(),
            line: span.start().line,
            function,
            code,
            nth: 0,
            edits,
        });
    }

    fn unannounced(&mut self, level: usize, what: Span, said_at: Span) {
        let edit = Edit::around(
            said_at.byte_range(),
            &format!("crate::silencer::next({level}, {{n}}, "),
            ")",
        );
        self.push(Kind::Unannounced, what, self.text(what), vec![edit]);
    }

    fn weaker(&mut self, path: &ExprPath) {
        let range = path.span().byte_range();
        let text = &self.source[range.clone()];
        let Some((kind, access)) = text.rsplit_once("::") else { return };
        for less in weaker(access) {
            let edit = Edit::around(
                range.clone(),
                &format!("(if crate::mutant({{n}}) {{ {kind}::{less} }} else {{ "),
                " })",
            );
            self.push(Kind::Weaker, path.span(), format!("{text} {less}"), vec![edit]);
        }
    }

    /// `word.read()`: it says which call it is as soon as all that the call needs is there.
    fn call(&mut self, call: &ExprMethodCall) {
        let span = call.span();
        let last = call.args.last().filter(|_| !call.args.iter().all(is_plain));
        let (said_at, by_reference) =
            last.map_or((call.receiver.span(), "&"), |last| (last.span(), ""));
        if last.is_some_and(is_plain) {
            // an earlier argument announces something, and the last is a closure, whose type would
            // be lost
            return;
        }
        let edits = vec![
            Edit::around(
                said_at.byte_range(),
                &format!("crate::silencer::next({CALL}, {{n}}, {by_reference}"),
                ")",
            ),
            Edit::around(span.byte_range(), &format!("crate::silencer::done({CALL}, "), ")"),
        ];
        self.push(Kind::Unannounced, span, self.text(span), edits);
    }

    fn in_function(&mut self, signature: &Signature, visit: impl FnOnce(&mut Self)) {
        let before = self.function.replace(signature.ident.to_string());
        visit(self);
        self.function = before;
    }
}

/// Does it announce nothing when it is evaluated?
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) | Expr::Lit(_) | Expr::Closure(_) | Expr::Field(_) => true,
        Expr::Reference(inner) => is_plain(&inner.expr),
        Expr::Unary(inner) => is_plain(&inner.expr),
        Expr::Paren(inner) => is_plain(&inner.expr),
        Expr::Binary(both) => is_plain(&both.left) && is_plain(&both.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(module) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.in_function(&function.sig, |this| visit::visit_item_fn(this, function));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.in_function(&function.sig, |this| visit::visit_impl_item_fn(this, function));
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        match self.announcing {
            Some(announcing)
                if announcing.contains(&(call.method.to_string(), call.args.len())) =>
            {
                self.call(call)
            }
            None if call.method == "step" => {
                let access = call.args.first().filter(|argument| !is_order(argument));
                let said_at = access.map_or_else(|| call.span(), Spanned::span);
                self.unannounced(STEP, call.span(), said_at);
            }
            _ => {}
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_struct(&mut self, made: &'ast ExprStruct) {
        if self.announcing.is_none() && made.path.is_ident("Step") {
            self.unannounced(MADE, made.span(), made.span());
        }
        visit::visit_expr_struct(self, made);
    }

    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        if self.announcing.is_none() && access(path).is_some() {
            self.weaker(path);
        }
    }

    /// What an access is matched with announces nothing; what is asked besides may.
    fn visit_pat(&mut self, pat: &'ast syn::Pat) {
        if let syn::Pat::Guard(guarded) = pat {
            self.visit_expr(&guarded.guard);
        }
    }

    /// Only what an access is compared with.
    fn visit_expr_binary(&mut self, both: &'ast syn::ExprBinary) {
        if !matches!(both.op, syn::BinOp::Eq(_) | syn::BinOp::Ne(_)) {
            visit::visit_expr_binary(self, both);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(Expr::Call(call), Some(_)) = statement
            && self.announcing.is_none()
            && ["observed", "known"].iter().any(|name| is_call_of(call, name))
            && !is_dpors(call)
        {
            let edit =
                Edit::around(statement.span().byte_range(), "if !crate::mutant({n}) { ", " }");
            self.push(Kind::Unobserved, statement.span(), self.text(call.span()), vec![edit]);
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if self.announcing.is_none() {
            if is_call_of(call, "new") && is_of_steps(call) {
                self.unannounced(MADE, call.span(), call.span());
            } else if is_dpors(call)
                && ["step", "step_when"].iter().any(|name| is_call_of(call, name))
            {
                self.silencing.push(Edit::around(
                    call.span().byte_range(),
                    "(if !crate::silencer::silent(true) { ",
                    " })",
                ));
            } else if is_dpors(call)
                && ["observed", "tried"].iter().any(|name| is_call_of(call, name))
            {
                self.silencing.push(Edit::around(
                    call.span().byte_range(),
                    "(if !crate::silencer::silent(false) { ",
                    " })",
                ));
            } else if is_call_of(call, "announce")
                && let Some(step) = call.args.first()
            {
                self.unannounced(HANDED, call.span(), step.span());
            }
        }
        visit::visit_expr_call(self, call);
    }
}

fn is_call_of(call: &ExprCall, name: &str) -> bool {
    matches!(
        &*call.func,
        Expr::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name)
    )
}

fn is_of_steps(call: &ExprCall) -> bool {
    matches!(
        &*call.func,
        Expr::Path(path) if path.path.segments.first().is_some_and(|first| first.ident == "Step")
    )
}

fn is_dpors(call: &ExprCall) -> bool {
    matches!(
        &*call.func,
        Expr::Path(path) if path.path.segments.first().is_some_and(|first| first.ident == "dpor")
    )
}
