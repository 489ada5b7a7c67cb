//! Cuts out of a function's text what is not taken.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, ImplItemFn, Pat, Stmt};

use crate::Choices;
use crate::decide::{Known, Matches, Value};

/// The function with `text`, as it is under `choices`.
pub fn under(
    text: &str,
    function: &ImplItemFn,
    choices: &Choices,
    bodies: &BTreeMap<String, Option<Expr>>,
) -> String {
    let known = Known { choices, bodies, variables: BTreeMap::new(), depth: 0 };
    let mut cutter = Cutter { text, known, edits: Vec::new(), opaque: opaque(function) };
    cutter.visit_block(&function.block);
    let edits = cutter.edits;
    apply(text, 0..text.len(), edits)
}

/// The names in macros, which nobody looks into: variables called so stay.
fn opaque(function: &ImplItemFn) -> BTreeSet<String> {
    struct Opaque(BTreeSet<String>);
    impl Opaque {
        fn look(&mut self, tokens: TokenStream) {
            for token in tokens {
                match token {
                    TokenTree::Group(group) => self.look(group.stream()),
                    TokenTree::Ident(name) => _ = self.0.insert(name.to_string()),
                    // `{name}` in a format.
                    TokenTree::Literal(text) => {
                        let names = text.to_string();
                        let named = names
                            .split('{')
                            .skip(1)
                            .filter_map(|rest| rest.split(['}', ':']).next().map(str::to_owned));
                        self.0.extend(named);
                    }
                    TokenTree::Punct(_) => {}
                }
            }
        }
    }
    impl<'ast> Visit<'ast> for Opaque {
        fn visit_macro(&mut self, call: &'ast syn::Macro) {
            match call.parse_body::<Matches>() {
                // Whether this matches is decided where the variable is.
                Ok(Matches { scrutinee: Expr::Path(_) | Expr::Field(_), guard: None, .. }) => {}
                _ => self.look(call.tokens.clone()),
            }
        }
    }
    let mut opaque = Opaque(BTreeSet::new());
    opaque.visit_impl_item_fn(function);
    opaque.0
}

/// What stands in a range, with the edits that lie in it.
fn apply(text: &str, range: Range<usize>, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let (mut out, mut at) = (String::new(), range.start);
    for (edit, new) in edits {
        out += &text[at..edit.start];
        out += &new;
        at = edit.end;
    }
    out + &text[at..range.end]
}

struct Cutter<'c> {
    text: &'c str,
    known: Known<'c>,
    edits: Vec<(Range<usize>, String)>,
    opaque: BTreeSet<String>,
}

/// Where a statement stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// At the end of its block: the block's value is its.
    Last,
    Before,
}

fn range(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

fn is_block_like(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::If(_)
            | Expr::Match(_)
            | Expr::Block(_)
            | Expr::While(_)
            | Expr::Loop(_)
            | Expr::ForLoop(_)
    )
}

impl Cutter<'_> {
    /// How far the line is indented that `at` is on.
    fn indent(&self, at: usize) -> usize {
        let line = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        self.text[line..].len() - self.text[line..].trim_start_matches(' ').len()
    }

    /// What a node is after the cuts in it, to be put where the line is indented by `indent`.
    fn cut(&mut self, range: Range<usize>, indent: usize, visit: impl FnOnce(&mut Self)) -> String {
        let outside = std::mem::take(&mut self.edits);
        let variables = self.known.variables.clone();
        visit(self);
        self.known.variables = variables;
        let inside = std::mem::replace(&mut self.edits, outside);
        let from = self.indent(range.start);
        let text = apply(self.text, range, inside);
        let mut lines = text.lines();
        let mut out = lines.next().unwrap_or_default().to_owned();
        for line in lines {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            out.push('\n');
            if spaces < line.len() {
                out += &" ".repeat((spaces + indent).saturating_sub(from));
                out += line.trim_start_matches(' ');
            }
        }
        out
    }

    fn cut_expr(&mut self, expr: &Expr, indent: usize) -> String {
        self.cut(range(expr), indent, |cutter| cutter.visit_expr(expr))
    }

    /// The statements of a block, without its braces, to be put where lines are indented by
    /// `indent`.
    fn cut_inside(&mut self, block: &Block, indent: usize) -> String {
        let whole = range(block);
        let text = self.cut(whole.clone(), indent, |cutter| cutter.visit_block(block));
        let inside = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .expect("a block has braces");
        let inside = inside.strip_prefix('\n').unwrap_or(inside).trim_end();
        let lines: Vec<_> = inside
            .lines()
            .map(|line| line.strip_prefix("    ").unwrap_or(line.trim_start()))
            .collect();
        lines.join("\n").trim_start().to_owned()
    }

    fn replace(&mut self, range: Range<usize>, by: String) {
        self.edits.push((range, by));
    }

    /// Takes a statement away, with the line that it has to itself and the comments above it.
    fn delete(&mut self, statement: Range<usize>) {
        let start = self.text[..statement.start].rfind('\n').map_or(0, |end| end + 1);
        let end = self.text[statement.end..]
            .find('\n')
            .map_or(self.text.len(), |end| statement.end + end + 1);
        let rest = self.text[statement.end..end].trim();
        if !self.text[start..statement.start].trim().is_empty()
            || !(rest.is_empty() || rest.starts_with("//"))
        {
            return self.replace(statement, String::new());
        }
        let mut from = start;
        while let Some(above) = self.text[..from].strip_suffix('\n') {
            let line = above.rfind('\n').map_or(0, |end| end + 1);
            if !above[line..].trim_start().starts_with("// ") {
                break;
            }
            from = line;
        }
        self.replace(from..end, String::new());
    }

    /// Puts the statements of a block, or an expression, where a statement was.
    fn put(&mut self, statement: &Stmt, place: Place, taken: &Expr) {
        let whole = range(statement);
        let indent = self.indent(whole.start);
        let text = match taken {
            Expr::Block(block) if block.label.is_none() && block.attrs.is_empty() => {
                let names = block.block.stmts.iter().any(|inner| matches!(inner, Stmt::Local(_)));
                let inside = self.cut_inside(&block.block, indent);
                // What is named in there, and let go of at its end, stays in there.
                let binds = names && place == Place::Before && inside.contains("let ");
                if binds {
                    self.cut(range(&block.block), indent, |cutter| cutter.visit_block(&block.block))
                } else {
                    inside
                }
            }
            Expr::Tuple(unit) if unit.elems.is_empty() => String::new(),
            _ => {
                let ends = if place == Place::Last || is_block_like(taken) { "" } else { ";" };
                self.cut_expr(taken, indent) + ends
            }
        };
        let value = place == Place::Last && matches!(statement, Stmt::Expr(_, None));
        match text.is_empty() && !value {
            true => self.delete(whole),
            false => self.replace(whole, text),
        }
    }

    fn statement(&mut self, statement: &Stmt, place: Place) {
        match statement {
            Stmt::Local(local) => {
                // There is nothing: what is behind `else` is all that is done.
                if let Some(otherwise) = self.otherwise_of(local) {
                    return self.put(statement, place, &otherwise);
                }
                let name = match &local.pat {
                    // What can be changed would have to be followed.
                    Pat::Ident(name)
                        if name.by_ref.is_none()
                            && name.mutability.is_none()
                            && name.subpat.is_none() =>
                    {
                        Some(name.ident.to_string())
                    }
                    _ => None,
                };
                let value = local
                    .init
                    .as_ref()
                    .filter(|init| init.diverge.is_none())
                    .and_then(|init| self.known.value(&init.expr));
                match (name, value) {
                    (Some(name), Some(value)) if !self.opaque.contains(&name) => {
                        self.delete(range(statement));
                        self.known.variables.insert(name, Some(value));
                    }
                    (name, value) => {
                        visit::visit_local(self, local);
                        self.known.hide(&local.pat);
                        if let Some(name) = name {
                            self.known.variables.insert(name, value);
                        }
                    }
                }
            }
            Stmt::Expr(expr, _) => self.expression_statement(statement, expr, place),
            _ => visit::visit_stmt(self, statement),
        }
    }

    /// What stands behind the `else` of a `let` that finds nothing.
    fn otherwise_of(&self, local: &syn::Local) -> Option<Expr> {
        let init = local.init.as_ref()?;
        let nothing = self.known.value(&init.expr) == Some(Value::None);
        let something = matches!(&local.pat, Pat::TupleStruct(pat) if pat.path.is_ident("Some"));
        init.diverge
            .as_ref()
            .filter(|_| nothing && something)
            .map(|(_, otherwise)| (**otherwise).clone())
    }

    fn expression_statement(&mut self, statement: &Stmt, expr: &Expr, place: Place) {
        match expr {
            Expr::If(branch) => match (self.known.truth(&branch.cond), &branch.else_branch) {
                (Some(true), _) => self.put(statement, place, &block(&branch.then_branch)),
                (Some(false), Some((_, no))) => match &**no {
                    // The rest of a chain is a statement as well.
                    Expr::If(_) => {
                        let indent = self.indent(range(statement).start);
                        let rest = Stmt::Expr((**no).clone(), None);
                        let text =
                            self.cut(range(&**no), indent, |cutter| cutter.statement(&rest, place));
                        match text.trim().is_empty() {
                            true => self.delete(range(statement)),
                            false => self.replace(range(statement), text),
                        }
                    }
                    no => self.put(statement, place, no),
                },
                (Some(false), None) => self.delete(range(statement)),
                (None, _) => self.visit_expr(expr),
            },
            Expr::While(looped) if self.known.truth(&looped.cond) == Some(false) => {
                self.delete(range(statement))
            }
            Expr::Match(asked) => match self.taken(asked) {
                Some(taken) => self.put(statement, place, &taken),
                None => self.visit_expr(expr),
            },
            _ => self.visit_expr(expr),
        }
    }

    /// Does nobody come past this statement, as it is cut?
    fn leaves(&self, statement: &Stmt) -> bool {
        let expr = match statement {
            Stmt::Expr(expr, _) => expr,
            Stmt::Local(local) => return self.otherwise_of(local).is_some(),
            _ => return false,
        };
        let block_leaves =
            |block: &Block| block.stmts.iter().any(|statement| self.leaves(statement));
        match expr {
            Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => true,
            Expr::Block(block) => block_leaves(&block.block),
            Expr::If(branch) => match (self.known.truth(&branch.cond), &branch.else_branch) {
                (Some(true), _) => block_leaves(&branch.then_branch),
                (Some(false), Some((_, no))) => self.leaves(&Stmt::Expr((**no).clone(), None)),
                _ => false,
            },
            Expr::Match(asked) => {
                self.taken(asked).is_some_and(|taken| self.leaves(&Stmt::Expr(taken, None)))
            }
            _ => false,
        }
    }

    /// The body of the arm that is taken, if that is known.
    fn taken(&self, asked: &syn::ExprMatch) -> Option<Expr> {
        let value = self.known.value(&asked.expr)?;
        self.known.taken(&value, &asked.arms).cloned()
    }

    /// What stands where an expression was that is decided: that which is taken, in braces only if
    /// it needs them.
    fn instead(&mut self, whole: Range<usize>, taken: &Expr) {
        let indent = self.indent(whole.start);
        let text = match taken {
            Expr::Block(block) if block.attrs.is_empty() && block.label.is_none() => {
                match &*block.block.stmts {
                    [Stmt::Expr(one, None)] => self.cut_expr(one, indent),
                    _ => self.cut_expr(taken, indent),
                }
            }
            _ => self.cut_expr(taken, indent),
        };
        self.replace(whole, text);
    }

    /// What comes behind an `if` of which nothing is known.
    fn otherwise(&mut self, after: usize, no: &Expr) {
        let branch = match no {
            Expr::If(branch) => branch,
            // It keeps its braces.
            Expr::Block(last) => return self.visit_block(&last.block),
            no => return self.visit_expr(no),
        };
        match (self.known.truth(&branch.cond), &branch.else_branch) {
            (Some(true), _) => {
                let indent = self.indent(after);
                let text = self.cut(range(&branch.then_branch), indent, |cutter| {
                    cutter.visit_block(&branch.then_branch)
                });
                self.replace(range(no), text);
            }
            (Some(false), Some((_, next))) => {
                let indent = self.indent(after);
                let text = self.cut(range(&**next), indent, |cutter| cutter.otherwise(after, next));
                self.replace(range(no), text);
            }
            (Some(false), None) => self.replace(after..range(no).end, String::new()),
            (None, _) => self.visit_expr(no),
        }
    }

    /// Which side of an `&&` or `||` is left, if the other one changes nothing.
    fn side<'e>(&self, binary: &'e syn::ExprBinary) -> Option<&'e Expr> {
        let neutral = match binary.op {
            BinOp::And(_) => true,
            BinOp::Or(_) => false,
            _ => return None,
        };
        let is_neutral = |side| self.known.truth(side) == Some(neutral);
        match (is_neutral(&binary.left), is_neutral(&binary.right)) {
            (true, _) => Some(&binary.right),
            (_, true) => Some(&binary.left),
            _ => None,
        }
    }
}

fn block(block: &Block) -> Expr {
    Expr::Block(syn::ExprBlock { attrs: Vec::new(), label: None, block: block.clone() })
}

impl<'ast> Visit<'ast> for Cutter<'_> {
    fn visit_block(&mut self, block: &'ast Block) {
        let variables = self.known.variables.clone();
        let last = block.stmts.len().saturating_sub(1);
        for (at, statement) in block.stmts.iter().enumerate() {
            self.statement(statement, if at == last { Place::Last } else { Place::Before });
            // Nothing comes to what stands behind.
            if at < last && self.leaves(statement) {
                let (from, to) = (range(statement).end, range(block).end - 1);
                let line = from + self.text[from..].find('\n').unwrap_or_default();
                let brace =
                    to - (self.text[..to].len() - self.text[..to].trim_end_matches(' ').len());
                self.replace(line..brace, "\n".into());
                break;
            }
        }
        self.known.variables = variables;
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        if let Some(value) = self.known.value(expr)
            && let Some(source) = value.source()
        {
            let whole = range(expr);
            if self.text[whole.clone()] != source {
                self.replace(whole, source);
            }
            return;
        }
        match expr {
            Expr::If(branch) => match (self.known.truth(&branch.cond), &branch.else_branch) {
                (Some(true), _) => self.instead(range(expr), &block(&branch.then_branch)),
                (Some(false), Some((_, no))) => self.instead(range(expr), no),
                _ => {
                    let variables = self.known.variables.clone();
                    self.visit_expr(&branch.cond);
                    self.visit_block(&branch.then_branch);
                    self.known.variables = variables;
                    if let Some((_, no)) = &branch.else_branch {
                        self.otherwise(range(&branch.then_branch).end, no);
                    }
                }
            },
            Expr::Match(asked) => match self.taken(asked) {
                Some(taken) => self.instead(range(expr), &taken),
                None => visit::visit_expr(self, expr),
            },
            Expr::Binary(binary) => match self.side(binary) {
                Some(side) => {
                    let indent = self.indent(range(expr).start);
                    let text = self.cut_expr(side, indent);
                    self.replace(range(expr), text);
                }
                None => visit::visit_expr(self, expr),
            },
            // Parentheses around two of which one is left.
            Expr::Paren(inner) => match &*inner.expr {
                Expr::Binary(binary)
                    if self.side(binary).is_some_and(|side| !matches!(side, Expr::Binary(_))) =>
                {
                    let indent = self.indent(range(expr).start);
                    let text = self.cut_expr(&inner.expr, indent);
                    self.replace(range(expr), text);
                }
                _ => visit::visit_expr(self, expr),
            },
            Expr::MethodCall(call) if call.method == "then" && call.args.len() == 1 => {
                match (self.known.truth(&call.receiver), call.args.first()) {
                    (Some(true), Some(Expr::Closure(closure))) => {
                        let indent = self.indent(range(expr).start);
                        let text = self.cut_expr(&closure.body, indent);
                        self.replace(range(expr), format!("Some({text})"));
                    }
                    (Some(true), Some(function)) => {
                        let text = format!("Some({}())", &self.text[range(function)]);
                        self.replace(range(expr), text);
                    }
                    _ => visit::visit_expr(self, expr),
                }
            }
            Expr::Closure(closure) => {
                let variables = self.known.variables.clone();
                closure.inputs.iter().for_each(|input| self.known.hide(input));
                self.visit_expr(&closure.body);
                self.known.variables = variables;
            }
            Expr::ForLoop(looped) => {
                self.visit_expr(&looped.expr);
                let variables = self.known.variables.clone();
                self.known.hide(&looped.pat);
                self.visit_block(&looped.body);
                self.known.variables = variables;
            }
            Expr::Let(bound) => {
                self.visit_expr(&bound.expr);
                self.known.hide(&bound.pat);
            }
            _ => visit::visit_expr(self, expr),
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let variables = self.known.variables.clone();
        self.known.hide(&arm.pat);
        if let Pat::Guard(guarded) = &arm.pat {
            self.visit_expr(&guarded.guard);
        }
        self.visit_expr(&arm.body);
        self.known.variables = variables;
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        match (
            &field.colon_token,
            &field.member,
            self.known.value(&field.expr).and_then(|value| value.source()),
        ) {
            (None, syn::Member::Named(name), Some(source)) => {
                self.replace(range(field), format!("{name}: {source}"))
            }
            _ => self.visit_expr(&field.expr),
        }
    }

    /// A pattern is no expression.
    fn visit_pat(&mut self, _: &'ast Pat) {}
}
