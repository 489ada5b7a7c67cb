//! Cuts out of a function's text what is not taken.

mod arms;
mod rewrite;
mod variables;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, ImplItemFn, Pat, Stmt};

use crate::decide::{self, Known, Value};
use crate::steps;
use variables::is_called;

/// The function with `text`, as it is where this is known.
///
/// What a cut leaves may be decided in its turn, so that it is cut until nothing changes.
pub fn under(text: &str, function: &ImplItemFn, known: &Known<'_>) -> String {
    let (mut text, mut function) = (text.to_owned(), Cow::Borrowed(function));
    let mut pass = Pass::Cut;
    loop {
        let known = known.clone();
        let mut cutter = Cutter {
            text: &text,
            function: &function,
            known,
            edits: Vec::new(),
            opaque: OnceCell::new(),
            used: OnceCell::new(),
            pass,
            hold: Vec::new(),
        };
        cutter.visit_block(&function.block);
        let edits = cutter.edits;
        pass = match (pass, edits.is_empty()) {
            (Pass::Cut, true) => Pass::Rewrite,
            (Pass::Rewrite, true) => return text,
            (_, false) => Pass::Cut,
        };
        if !edits.is_empty() {
            text = apply(&text, 0..text.len(), edits);
            let parsed = syn::parse_str(&text);
            function = Cow::Owned(parsed.unwrap_or_else(|error| panic!("{error} in\n{text}")));
        }
    }
}

/// What is done in one go through a function.
#[derive(Clone, Copy, PartialEq)]
enum Pass {
    /// What is not taken goes, and variables that are known become their values.
    Cut,
    /// What is left is written otherwise. The text is taken as it stands, so that no variable may
    /// go.
    Rewrite,
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
    function: &'c ImplItemFn,
    known: Known<'c>,
    edits: Vec<(Range<usize>, String)>,
    opaque: OnceCell<BTreeSet<String>>,
    /// Every name, as often as it is there.
    used: OnceCell<BTreeMap<String, usize>>,
    pass: Pass,
    /// Variables that are true here, because an `if` has asked.
    hold: Vec<String>,
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
            // What a step says reaches further than this statement.
            if steps::named(&above[line..]).is_some() {
                from = start;
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
        if self.pass == Pass::Rewrite
            && let Some((asked, truth, run)) = self.asked_first(statement)
        {
            let start = range(statement).start;
            let run = self.before(&run, self.indent(start));
            self.replace(start..start, run);
            return self.replace(range(asked), truth.to_string());
        }
        match statement {
            Stmt::Local(local) => {
                // There is nothing: what is behind `else` is all that is done.
                if let Some(otherwise) = self.otherwise_of(local) {
                    return self.put(statement, place, &otherwise);
                }
                if let Some((name, value)) = self.finds(local) {
                    if self.is_opaque(&name) {
                        let source = value.source().expect("there is a way to say it");
                        return self.replace(range(statement), format!("let {name} = {source};"));
                    }
                    self.delete(range(statement));
                    self.known.variables.insert(name, Some(value));
                    return;
                }
                let changed = match self.pass {
                    Pass::Cut => self.without_known_part(local),
                    Pass::Rewrite => self.leaves_or_is_known(local) || self.is_known_after(local),
                };
                if changed {
                    return;
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
                    (Some(name), Some(value))
                        if self.pass == Pass::Cut
                            && !self.is_opaque(&name)
                            && !matches!(value, Value::Returns(_) | Value::Done) =>
                    {
                        self.delete(range(statement));
                        self.known.variables.insert(name, Some(value));
                    }
                    (Some(name), None) if is_called(local, &name) => self.delete(range(statement)),
                    // Who asked it is gone.
                    (Some(name), _) if self.is_unused(&name) && self.is_free(local) => {
                        self.delete(range(statement));
                    }
                    (name, value) => {
                        // What it looks at, it looks at still.
                        if let (Some(unused), Pat::Ident(ident)) = (&name, &local.pat)
                            && self.is_unused(unused)
                        {
                            self.replace(range(&ident.ident), format!("_{unused}"));
                        }
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

    /// `let Some(name) = Some(None) else { … };`: what is known to be found.
    fn finds(&self, local: &syn::Local) -> Option<(String, Value)> {
        let init = local.init.as_ref().filter(|init| init.diverge.is_some())?;
        let Value::Some(found) = self.known.value(&init.expr)? else { return None };
        match &local.pat {
            Pat::TupleStruct(pat) if pat.path.is_ident("Some") => match pat.elems.first()? {
                Pat::Ident(name) if name.mutability.is_none() => {
                    Some((name.ident.to_string(), *found))
                        .filter(|(_, found)| found.source().is_some())
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn expression_statement(&mut self, statement: &Stmt, expr: &Expr, place: Place) {
        match expr {
            _ if self.comes_to_nothing(statement, expr) => self.delete(range(statement)),
            // What it would do is gone.
            Expr::If(branch)
                if branch.then_branch.stmts.is_empty()
                    && branch.else_branch.as_ref().is_none_or(|(_, no)| is_empty(no)) =>
            {
                let indent = format!("\n{}", " ".repeat(self.indent(range(statement).start)));
                let run = self.to_be_run(&branch.cond).join("\n").replace('\n', &indent);
                match run.is_empty() {
                    true => self.delete(range(statement)),
                    false => self.replace(range(statement), run),
                }
            }
            Expr::If(branch) => match (self.condition(&branch.cond), &branch.else_branch) {
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
            // `None.into_iter().for_each(…)`
            Expr::MethodCall(each)
                if each.method == "for_each" && self.goes_through_nothing(&each.receiver) =>
            {
                self.delete(range(statement));
            }
            _ => self.visit_expr(expr),
        }
    }

    /// Whether nothing is done, and nobody hears what it comes to.
    fn comes_to_nothing(&self, statement: &Stmt, expr: &Expr) -> bool {
        match self.known.value(expr) {
            Some(Value::Unit) => true,
            Some(_) => matches!(statement, Stmt::Expr(_, Some(_))),
            None => false,
        }
    }

    /// Whether a condition is true: one that an `if` around it asks as well is.
    fn condition(&self, cond: &Expr) -> Option<bool> {
        let asked = self.constant(cond).is_some_and(|name| self.hold.contains(&name));
        if asked { Some(true) } else { self.known.truth(cond) }
    }

    /// The variable that an expression is, if it is bound once, and never changes.
    fn constant(&self, expr: &Expr) -> Option<String> {
        let Expr::Path(path) = expr else { return None };
        let name = path.path.get_ident()?.to_string();
        variables::is_constant(self.function, &name).then_some(name)
    }

    fn goes_through_nothing(&self, all: &Expr) -> bool {
        let Expr::MethodCall(all) = all else { return false };
        matches!(&*all.method.to_string(), "iter" | "into_iter")
            && self.known.value(&all.receiver) == Some(Value::None)
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

    /// Puts on one line what has room there, and takes away what is around nothing. The sources are
    /// as rustfmt leaves them, so that only what was cut is touched.
    fn tidied(&mut self, expr: &Expr) -> bool {
        /// A line has 100 columns, of which a function in its file begins behind up to 8.
        const ROOM: usize = 92;
        match expr {
            Expr::If(branch) => {
                if let Expr::Paren(inner) = &*branch.cond
                    && let text = self.text[range(&*inner.expr)].to_owned()
                    && !text.contains('{')
                {
                    self.replace(range(&*branch.cond), text);
                    return true;
                }
                let gap = range(&*branch.cond).end..range(&branch.then_branch).start;
                let one_line = !self.text[range(&*branch.cond)].contains('\n');
                let between = &self.text[gap.clone()];
                if one_line && between.contains('\n') && between.trim().is_empty() {
                    self.replace(gap, " ".into());
                    return true;
                }
                false
            }
            Expr::Closure(closure) => {
                let Expr::Block(body) = &*closure.body else { return false };
                if !matches!(closure.output, syn::ReturnType::Default) {
                    return false;
                }
                let [Stmt::Expr(one, None)] = &*body.block.stmts else { return false };
                let (whole, one) = (range(&*closure.body), range(one));
                let around = [whole.start + 1..one.start, one.end..whole.end - 1];
                let line = self.text[..whole.start].rfind('\n').map_or(0, |end| end + 1);
                let fits = whole.start - line + one.len() < ROOM;
                let bare = around.iter().all(|around| self.text[around.clone()].trim().is_empty());
                let text = self.text[one].to_owned();
                if !fits || !bare || text.contains('\n') || !self.text[whole.clone()].contains('\n')
                {
                    return false;
                }
                self.replace(whole, text);
                true
            }
            Expr::Binary(_) | Expr::MethodCall(_) | Expr::Call(_) => {
                let whole = range(expr);
                let text = &self.text[whole.clone()];
                if !text.contains('\n')
                    || text.contains("let ")
                    || text.contains(['"', '{', '|'])
                    || text.contains("//")
                {
                    return false;
                }
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                let text = text.replace("( ", "(").replace(", )", ")").replace(" .", ".");
                let line = self.text[..whole.start].rfind('\n').map_or(0, |end| end + 1);
                let rest = self.text[whole.end..].find('\n').unwrap_or_default();
                let fits = whole.start - line + text.len() + rest <= ROOM;
                if fits {
                    self.replace(whole, text);
                }
                fits
            }
            _ => false,
        }
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

/// What a method of an `Option` comes to that is `None`.
fn instead_of_none(call: &syn::ExprMethodCall) -> Option<&Expr> {
    match (&*call.method.to_string(), call.args.first()?, call.args.get(1)) {
        ("map_or", instead, Some(Expr::Closure(_))) => Some(instead),
        ("unwrap_or" | "or", instead, None) => Some(instead),
        ("unwrap_or_else" | "or_else", Expr::Closure(instead), None) => Some(&instead.body),
        ("map_or_else", Expr::Closure(instead), Some(Expr::Closure(_))) => Some(&instead.body),
        _ => None,
    }
}

/// `{}`
fn is_empty(expr: &Expr) -> bool {
    matches!(expr, Expr::Block(block) if block.block.stmts.is_empty())
}

fn block(block: &Block) -> Expr {
    Expr::Block(syn::ExprBlock { attrs: Vec::new(), label: None, block: block.clone() })
}

impl<'ast> Visit<'ast> for Cutter<'_> {
    fn visit_block(&mut self, block: &'ast Block) {
        if self.pass == Pass::Rewrite
            && let [Stmt::Expr(Expr::Block(inner), None)] = &*block.stmts
            && inner.label.is_none()
            && inner.attrs.is_empty()
        {
            let inside = self.cut_inside(&inner.block, self.indent(range(inner).start));
            return self.replace(range(inner), inside);
        }
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
        if self.pass == Pass::Rewrite && self.tidied(expr) {
            return;
        }
        match expr {
            Expr::If(branch) => match (self.condition(&branch.cond), &branch.else_branch) {
                (Some(true), _) => self.instead(range(expr), &block(&branch.then_branch)),
                (Some(false), Some((_, no))) => self.instead(range(expr), no),
                _ => {
                    let variables = self.known.variables.clone();
                    self.visit_expr(&branch.cond);
                    let outside = self.hold.len();
                    self.hold.extend(self.constant(&branch.cond));
                    self.visit_block(&branch.then_branch);
                    self.hold.truncate(outside);
                    self.known.variables = variables;
                    if let Some((_, no)) = &branch.else_branch {
                        self.otherwise(range(&branch.then_branch).end, no);
                    }
                }
            },
            Expr::Match(asked) => match self.taken(asked) {
                Some(taken) => self.instead(range(expr), &taken),
                None => self.arms(asked),
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
            // What is done instead of what is not there.
            Expr::MethodCall(call)
                if self.known.value(&call.receiver) == Some(Value::None)
                    && instead_of_none(call).is_some() =>
            {
                let instead = instead_of_none(call).expect("there is something");
                let text = self.cut_expr(instead, self.indent(range(expr).start));
                let binds_less = matches!(instead, Expr::Binary(_) | Expr::Range(_));
                self.replace(range(expr), if binds_less { format!("({text})") } else { text });
            }
            // What is let through, all of it.
            Expr::MethodCall(call)
                if call.method == "filter"
                    && call.args.len() == 1
                    && self.known.value(&call.args[0])
                        == Some(Value::Returns(Box::new(Value::Bool(true)))) =>
            {
                let text = self.cut_expr(&call.receiver, self.indent(range(expr).start));
                self.replace(range(expr), text);
            }
            // `!found.is_some()`
            Expr::Unary(unary) if decide::is_denied(unary).is_some() => {
                let call = decide::is_denied(unary).expect("something is");
                let other = if call.method == "is_some" { "is_none" } else { "is_some" };
                self.replace(range(&unary.op), String::new());
                self.replace(range(&call.method), other.into());
                self.visit_expr(&call.receiver);
            }
            Expr::MethodCall(call)
                if self.pass == Pass::Rewrite
                    && call.method == "then_some"
                    && self.known.truth(&call.receiver) == Some(true) =>
            {
                let text = format!("Some({})", &self.text[range(&call.args[0])]);
                self.replace(range(expr), text);
            }
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
                self.body(&closure.body);
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
        self.body(&arm.body);
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
