//! Where the protocol can be broken: found in the syntax tree of `src/mm`, so that code written
//! tomorrow is broken too.

use std::collections::BTreeMap;
use std::ops::Range;

use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    BinOp, Block, Expr, ExprMethodCall, ImplItemFn, ItemFn, Local, ReturnType, Signature, Stmt,
    UnOp,
};

/// What a mutant does to the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// One lock, semaphore or read section is not taken.
    Acquire,
    /// The same, and what lets go of it is left out too.
    Section,
    /// One is not let go of.
    Release,
    /// Nobody waits here.
    Wait,
    /// A try succeeds, and takes nothing.
    TryTaken,
    /// A try waits until it succeeds.
    TryWaits,
    /// A condition is true.
    True,
    /// A condition is false.
    False,
    /// A reference, or a mapping, is not counted, or not given up.
    Reference,
    /// One of the [`MISTAKES`](super::by_hand::MISTAKES).
    Mistake,
    /// A step is not announced: see [`announced`](super::announced).
    Unannounced,
    /// It is announced as less than it is.
    Weaker,
    /// What it read is not told.
    Unobserved,
    /// An ordering or a barrier is gone: see [`orderings`](super::orderings).
    Relaxed,
}

/// One way to break one place. Its identity is what stands there, not the line.
#[derive(Clone, Debug)]
pub struct Mutant {
    pub kind: Kind,
    pub file: String,
    pub line: usize,
    pub function: String,
    pub code: String,
    /// Which of several that read alike in this function.
    pub nth: usize,
    pub edits: Vec<Edit>,
}

impl Mutant {
    /// As `rmap.rs rmap_walk Acquire self.anon_vma_lock(anon_vma)`.
    pub fn id(&self) -> String {
        let nth = if self.nth == 0 { String::new() } else { format!(" #{}", self.nth + 1) };
        if self.kind == Kind::Mistake {
            return format!("{} {:?} {}", self.file, self.kind, self.code);
        }
        format!("{} {} {:?} {}{nth}", self.file, self.function, self.kind, self.code)
    }
}

/// What is put around a range of the source when the mutant `{n}` may be switched on.
#[derive(Clone, Debug)]
pub struct Edit {
    range: Range<usize>,
    before: String,
    after: String,
}

impl Edit {
    pub fn around(range: Range<usize>, before: &str, after: &str) -> Self {
        Self { range, before: before.into(), after: after.into() }
    }
}

const ACQUIRES: [&str; 5] = ["lock", "read_lock", "down_read", "down_write", "anon_vma_lock"];
const RELEASES: [&str; 5] = ["unlock", "read_unlock", "up_read", "up_write", "anon_vma_unlock"];
/// Tries, each with what waits instead.
const TRIES: [(&str, &str); 2] = [("trylock", "lock"), ("down_read_trylock", "down_read")];
const WAITS: [&str; 2] = ["wait", "migration_entry_wait"];
const REFERENCES: [&str; 9] = [
    "get_page",
    "put_page",
    "page_cache_release",
    "get_anon_vma",
    "put_anon_vma",
    "page_add_anon_rmap",
    "page_remove_rmap",
    "swap_free",
    "swap_duplicate",
];

/// The checker's own code, which no race is about.
fn is_checkers(function: &str) -> bool {
    const NAMES: [&str; 12] = [
        "fmt",
        "show",
        "pack",
        "unpack",
        "construct",
        "free_page_trouble",
        "is_listed",
        "every_pte",
        "swap_cache_holds",
        "cross_link",
        "is_on_lru",
        "in_use",
    ];
    NAMES.contains(&function)
        || function.starts_with("assert_")
        || function.starts_with("peek")
        || function.starts_with("audit")
}

/// Conditions that choose between rules, and so between protocols.
fn chooses_rule(code: &str) -> bool {
    ["prepend", "early"].contains(&code)
        || ["rules()", "rules.", "rooted()", "counted()", "chained()", "rule "]
            .iter()
            .any(|part| code.contains(part))
}

fn is_try(expr: &Expr) -> bool {
    matches!(expr, Expr::MethodCall(call) if TRIES.iter().any(|(name, _)| call.method == name))
}

/// Every mutant of one file, and the file with all of them in it, each behind its number: `first`
/// and up.
pub fn mutate(file: &str, source: &str, first: usize) -> (Vec<Mutant>, String) {
    let syntax = syn::parse_file(source).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut finder =
        Finder { source, file, function: None, calls: Vec::new(), mutants: Vec::new() };
    finder.visit_file(&syntax);
    finder.sections();
    finder.mutants.extend(mistakes(file, source));
    number(&mut finder.mutants);
    let edited = apply(source, &finder.mutants, &[], first);
    (finder.mutants, edited)
}

/// Tells those apart that read alike.
pub fn number(mutants: &mut [Mutant]) {
    let mut seen = BTreeMap::new();
    for mutant in mutants {
        let nth: &mut usize = seen.entry(mutant.id()).or_default();
        mutant.nth = *nth;
        *nth += 1;
    }
}

/// The mistakes written down for `file`.
fn mistakes(file: &str, source: &str) -> Vec<Mutant> {
    let of_file = super::by_hand::MISTAKES.iter().filter(|(_, in_file, _)| *in_file == file);
    let mutant = |(what, _, replaced): &super::by_hand::Mistake| {
        let edits: Vec<_> =
            replaced.iter().map(|(old, new)| replacement(source, old, new)).collect();
        let line = source[..edits[0].range.start].lines().count();
        Mutant {
            kind: Kind::Mistake,
            file: file.into(),
            line,
            function: String::new(),
            code: (*what).into(),
            nth: 0,
            edits,
        }
    };
    of_file.map(mutant).collect()
}

/// Code as it reads on one line, whatever lines rustfmt has broken it into: ids stay what they are.
pub fn on_one_line(code: &str) -> String {
    let mut line = String::new();
    for part in code.split_whitespace() {
        let continues = part.strip_prefix('.').is_some_and(|rest| !rest.starts_with('.'));
        let closes = part.starts_with([')', ']']);
        if closes && line.ends_with(',') {
            line.pop();
        }
        if !(line.is_empty() || continues || closes || line.ends_with(['(', '['])) {
            line.push(' ');
        }
        line.push_str(part);
    }
    line
}

/// Where `text` stands in `source`, however either is broken into lines.
fn places(source: &str, text: &str) -> Vec<std::ops::Range<usize>> {
    let text: Vec<_> = unbroken(text).map(|(_, c)| c).collect();
    let source: Vec<_> = unbroken(source).collect();
    let is_text = |window: &&[(usize, char)]| window.iter().map(|(_, c)| c).eq(&text);
    let place = |window: &[(usize, char)]| {
        let (last, c) = window[window.len() - 1];
        window[0].0..last + c.len_utf8()
    };
    source.windows(text.len()).filter(is_text).map(place).collect()
}

/// The characters that rustfmt does not put in or take out where it breaks lines, and where they
/// are.
fn unbroken(text: &str) -> impl Iterator<Item = (usize, char)> {
    let closes = |rest: &str| rest.trim_start().starts_with([')', ']', '}']);
    text.char_indices()
        .filter(move |&(at, c)| !(c.is_whitespace() || c == ',' && closes(&text[at + 1..])))
}

fn replacement(source: &str, old: &str, new: &str) -> Edit {
    let range = match &places(source, old)[..] {
        [range] => range.clone(),
        [] => panic!("a mistake is written down for a text that is not there: {old}"),
        _ => panic!("a mistake is written down for a text that is there twice: {old}"),
    };
    let statements = Block::parse_within.parse_str(old).unwrap_or_default();
    let binds = statements.iter().any(|statement| matches!(statement, Stmt::Local(_)));
    assert!(!binds, "what is bound in a text that is replaced is not known behind it: {old}");
    let (open, close) = if old.ends_with([';', '}']) { ("", "") } else { ("(", ")") };
    Edit {
        range,
        before: format!("{open}if crate::mutant({{n}}) {{ {new} }} else {{ "),
        after: format!(" }}{close}"),
    }
}

/// The source with the mutants in it, numbered from `first`, and with `edits` that are no mutant's.
pub fn apply(source: &str, mutants: &[Mutant], edits: &[Edit], first: usize) -> String {
    // Of two ranges that begin together the longer one opens first; of two that end together it
    // closes last.
    let mut marks = Vec::new();
    let edits = edits.iter().map(|edit| (0, edit));
    let all = edits.chain(
        mutants
            .iter()
            .enumerate()
            .flat_map(|(at, mutant)| mutant.edits.iter().map(move |edit| (at, edit))),
    );
    for (order, (at, Edit { range, before, after })) in all.enumerate() {
        let number = (first + at).to_string();
        marks.push((
            (range.start, 1, usize::MAX - range.end, order),
            before.replace("{n}", &number),
        ));
        marks.push((
            (range.end, 0, usize::MAX - range.start, usize::MAX - order),
            after.replace("{n}", &number),
        ));
    }
    marks.sort();
    let (mut out, mut at) = (String::new(), 0);
    for ((position, ..), text) in marks {
        out.push_str(&source[at..position]);
        out.push_str(&text);
        at = position;
    }
    out.push_str(&source[at..]);
    out
}

/// A call that takes or gives back, for pairing.
struct Call {
    function: String,
    method: String,
    /// What is locked: the receiver, or the argument of `anon_vma_lock`.
    object: String,
    line: usize,
    code: String,
    edit: Edit,
}

struct Finder<'s> {
    source: &'s str,
    file: &'s str,
    function: Option<String>,
    calls: Vec<Call>,
    mutants: Vec<Mutant>,
}

impl Finder<'_> {
    fn text(&self, range: &Range<usize>) -> &str {
        &self.source[range.clone()]
    }

    fn push(&mut self, kind: Kind, at: &impl Spanned, edits: Vec<Edit>) {
        let Some(function) = self.function.clone() else { return };
        let span = at.span();
        let code = on_one_line(self.text(&span.byte_range()));
        self.mutants.push(Mutant {
            kind,
            file: self.file.into(),
            line: span.start().line,
            function,
            code,
            nth: 0,
            edits,
        });
    }

    /// The statement, or the expression with its value replaced, that is left out.
    fn omit(&self, call: &ExprMethodCall, is_statement: Option<&Stmt>) -> Edit {
        match is_statement {
            Some(statement) => Edit {
                range: statement.span().byte_range(),
                before: "if !crate::mutant({n}) { ".into(),
                after: " }".into(),
            },
            None => {
                let value = call
                    .args
                    .first()
                    .map_or("()".into(), |arg| self.text(&arg.span().byte_range()).to_owned());
                let before = format!("(if crate::mutant({{n}}) {{ {value} }} else {{ ");
                Edit { range: call.span().byte_range(), before, after: " })".into() }
            }
        }
    }

    fn call(&mut self, call: &ExprMethodCall, statement: Option<&Stmt>) {
        let method = call.method.to_string();
        let kind = match method.as_str() {
            m if ACQUIRES.contains(&m) => Kind::Acquire,
            m if RELEASES.contains(&m) => Kind::Release,
            m if WAITS.contains(&m) => Kind::Wait,
            m if REFERENCES.contains(&m) && statement.is_some() => Kind::Reference,
            m if TRIES.iter().any(|(name, _)| *name == m) => {
                let waits = TRIES.iter().find(|(name, _)| *name == m).expect("it is one").1;
                let range = call.span().byte_range();
                let taken = Edit {
                    range: range.clone(),
                    before: "(crate::mutant({n}) || ".into(),
                    after: ")".into(),
                };
                self.push(Kind::TryTaken, call, vec![taken]);
                let receiver = self.text(&call.receiver.span().byte_range()).to_owned();
                let before =
                    format!("(if crate::mutant({{n}}) {{ {receiver}.{waits}(); true }} else {{ ");
                self.push(Kind::TryWaits, call, vec![Edit { range, before, after: " })".into() }]);
                return;
            }
            _ => return,
        };
        let edit = self.omit(call, statement);
        self.push(kind, call, vec![edit.clone()]);
        if let (Kind::Acquire | Kind::Release, Some(function)) = (kind, self.function.clone()) {
            let object =
                call.args.first().map_or_else(|| call.receiver.span(), Spanned::span).byte_range();
            let object = self.text(&object).split_whitespace().collect();
            let code = self.text(&call.span().byte_range()).to_owned();
            self.calls.push(Call {
                function,
                method,
                object,
                line: call.span().start().line,
                code,
                edit,
            });
        }
    }

    /// Every pair of taking and giving back: of the same thing, in the same function, or else in
    /// the same file.
    fn sections(&mut self) {
        let position =
            |names: &[&str], call: &Call| names.iter().position(|name| *name == call.method);
        let mut done = Vec::new();
        for call in &self.calls {
            let Some(which) = position(&ACQUIRES, call) else { continue };
            let matches = |other: &&Call| {
                let same =
                    other.object == call.object || (which == 4 && other.function != call.function);
                same && (position(&ACQUIRES, other) == Some(which)
                    || position(&RELEASES, other) == Some(which))
            };
            let here: Vec<_> = self
                .calls
                .iter()
                .filter(|other| other.function == call.function)
                .filter(matches)
                .collect();
            let paired = here.iter().any(|other| position(&RELEASES, other).is_some());
            let group: Vec<_> =
                if paired { here } else { self.calls.iter().filter(matches).collect() };
            let edits: Vec<_> = group.iter().map(|call| call.edit.clone()).collect();
            let key: Vec<_> = edits.iter().map(|edit| edit.range.start).collect();
            if edits.len() < 2 || done.contains(&key) {
                continue;
            }
            done.push(key);
            self.mutants.push(Mutant {
                kind: Kind::Section,
                file: self.file.into(),
                line: call.line,
                function: call.function.clone(),
                code: call.code.clone(),
                nth: 0,
                edits,
            });
        }
    }

    /// Each part of a condition, made true and made false.
    fn condition(&mut self, condition: &Expr) {
        match condition {
            Expr::Binary(both) if matches!(both.op, BinOp::And(_) | BinOp::Or(_)) => {
                self.condition(&both.left);
                self.condition(&both.right);
            }
            Expr::Paren(inner) => self.condition(&inner.expr),
            Expr::Let(_) | Expr::Lit(_) => {}
            tried if is_try(tried) => {}
            Expr::Unary(not) if is_try(&not.expr) => {}
            atom => {
                let range = atom.span().byte_range();
                if chooses_rule(self.text(&range)) {
                    return;
                }
                let edit = |before: &str, after: &str| {
                    vec![Edit { range: range.clone(), before: before.into(), after: after.into() }]
                };
                self.push(Kind::True, atom, edit("(crate::mutant({n}) || ", ")"));
                self.push(Kind::False, atom, edit("(!crate::mutant({n}) && ", ")"));
            }
        }
    }

    /// What a match arm or an assignment makes true or false is a condition too.
    fn value(&mut self, expr: &Expr) {
        match expr {
            Expr::If(branch) => {
                let otherwise = branch.else_branch.as_ref().and_then(|(_, other)| match &**other {
                    Expr::Block(block) => Some(&block.block),
                    _ => None,
                });
                for block in [Some(&branch.then_branch), otherwise].into_iter().flatten() {
                    if let Some(Stmt::Expr(tail, None)) = block.stmts.last() {
                        self.value(tail);
                    }
                }
            }
            // rustfmt puts one around an arm's or a closure's value where the line is full.
            Expr::Block(block) => {
                if let [Stmt::Expr(only, None)] = &block.block.stmts[..] {
                    self.value(only);
                }
            }
            _ if is_boolean(expr) => self.condition(expr),
            _ => {}
        }
    }

    fn in_function(
        &mut self,
        signature: &Signature,
        block: &syn::Block,
        visit: impl FnOnce(&mut Self),
    ) {
        let name = signature.ident.to_string();
        if is_checkers(&name) {
            return;
        }
        let before = self.function.replace(name);
        if let (ReturnType::Type(_, kind), Some(Stmt::Expr(tail, None))) =
            (&signature.output, block.stmts.last())
            && matches!(&**kind, syn::Type::Path(path) if path.path.is_ident("bool"))
            && is_boolean(tail)
        {
            self.condition(tail);
        }
        visit(self);
        self.function = before;
    }
}

/// Does it look like a condition, where the place does not say so?
fn is_boolean(expr: &Expr) -> bool {
    use BinOp::{And, Eq, Ge, Gt, Le, Lt, Ne, Or};
    match expr {
        Expr::Binary(both) => {
            matches!(both.op, And(_) | Or(_) | Eq(_) | Ne(_) | Lt(_) | Le(_) | Gt(_) | Ge(_))
        }
        Expr::Unary(not) => matches!(not.op, UnOp::Not(_)),
        Expr::MethodCall(call) => [
            "is_some",
            "is_none",
            "is_empty",
            "is_some_and",
            "is_present",
            "mapped",
            "inc_not_zero",
        ]
        .contains(&&*call.method.to_string()),
        Expr::Macro(call) => call.mac.path.is_ident("matches"),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.in_function(&function.sig, &function.block, |this| {
            visit::visit_item_fn(this, function)
        });
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.in_function(&function.sig, &function.block, |this| {
            visit::visit_impl_item_fn(this, function)
        });
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(Expr::MethodCall(call), Some(_)) = statement {
            self.call(call, Some(statement));
            visit::visit_expr(self, &call.receiver);
            call.args.iter().for_each(|arg| visit::visit_expr(self, arg));
        } else {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        // As a value, only what returns one can be left out.
        if call.method == "anon_vma_lock" || TRIES.iter().any(|(name, _)| call.method == name) {
            self.call(call, None);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if let Some(init) = &local.init
            && let syn::Pat::Ident(name) = &local.pat
            && is_boolean(&init.expr)
        {
            let for_clause = [", ", ", !"]
                .iter()
                .any(|sign| self.source.contains(&format!("{sign}{}, ||", name.ident)));
            if !for_clause {
                self.condition(&init.expr);
            }
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_if(&mut self, branch: &'ast syn::ExprIf) {
        self.condition(&branch.cond);
        visit::visit_expr_if(self, branch);
    }

    fn visit_expr_assign(&mut self, assign: &'ast syn::ExprAssign) {
        self.value(&assign.right);
        visit::visit_expr_assign(self, assign);
    }

    fn visit_expr_while(&mut self, round: &'ast syn::ExprWhile) {
        self.condition(&round.cond);
        visit::visit_expr_while(self, round);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let syn::Pat::Guard(pat) = &arm.pat {
            self.condition(&pat.guard);
        }
        self.value(&arm.body);
        visit::visit_arm(self, arm);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        if is_boolean(&closure.body) || matches!(&*closure.body, Expr::Block(_)) {
            self.value(&closure.body);
        }
        visit::visit_expr_closure(self, closure);
    }

    /// What a macro is given is words for a witness, or a clause's.
    fn visit_macro(&mut self, _: &'ast syn::Macro) {}

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let words = |path: &syn::ExprPath| {
            path.path.segments.iter().any(|s| s.ident == "clause" || s.ident == "mark")
        };
        if !matches!(&*call.func, Expr::Path(path) if words(path)) {
            visit::visit_expr_call(self, call);
        }
    }
}
