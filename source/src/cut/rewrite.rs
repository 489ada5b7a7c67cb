//! What is left, written otherwise: what must be run still, in front of what it was asked in.

use std::ops::Range;

use syn::visit::Visit;
use syn::{BinOp, Expr, Stmt};

use super::{Cutter, Pass, range};
use crate::decide;

/// `|=`, which asks its right side first.
fn is_change(op: &BinOp) -> bool {
    matches!(op, BinOp::BitOrAssign(_) | BinOp::BitAndAssign(_))
}

impl Cutter<'_> {
    /// `let n = { a(); true };`: what is done before it is known is done in front of it.
    pub(super) fn is_known_after(&mut self, local: &syn::Local) -> bool {
        if let Some(init) = local.init.as_ref().filter(|init| init.diverge.is_none())
            && let Expr::Block(block) = &*init.expr
            && let [before @ .., Stmt::Expr(last, None)] = &*block.block.stmts
            && let Some(source) = self.known.value(last).and_then(|value| value.source())
            && !before.is_empty()
            && !before.iter().any(|statement| matches!(statement, Stmt::Local(_)))
        {
            let indent = self.indent(range(local).start);
            let to = self.text[range(local).start..range(block).start].to_owned();
            let inside = self.cut_inside(&block.block, indent);
            let before = inside.trim_end().rsplit_once('\n').map_or("", |(before, _)| before);
            let text = format!("{before}\n{}{to}{source};", " ".repeat(indent));
            self.replace(range(local), text);
            return true;
        }
        false
    }

    /// `let n = if x() { return; } else { true };`: who comes past it knows what it is.
    pub(super) fn leaves_or_is_known(&mut self, local: &syn::Local) -> bool {
        if let Some(init) = local.init.as_ref().filter(|init| init.diverge.is_none())
            && let Expr::If(branch) = &*init.expr
            && let Some((_, no)) = &branch.else_branch
            && self.known.decided(&branch.cond).is_none()
            && branch.then_branch.stmts.iter().any(|statement| self.leaves(statement))
            && let Some(source) = self.known.value(no).and_then(|value| value.source())
        {
            let indent = " ".repeat(self.indent(range(local).start));
            let leaves = self.text[range(branch).start..range(&branch.then_branch).end].to_owned();
            let to = &self.text[range(local).start..range(branch).start];
            self.replace(range(local), format!("{leaves}\n{indent}{to}{source};"));
            return true;
        }
        false
    }

    /// A condition that a statement asks before all else, and that is decided, though something
    /// must be run for it.
    pub(super) fn asked_first<'e>(
        &self,
        statement: &'e Stmt,
    ) -> Option<(&'e Expr, bool, Vec<&'e Expr>)> {
        let mut at = match statement {
            Stmt::Local(local) => &local.init.as_ref()?.expr,
            Stmt::Expr(Expr::While(looped), _) => {
                let (truth, run) = self.known.decided(&looped.cond)?;
                return Some((&*looped.cond, truth, run))
                    .filter(|(_, truth, run)| !truth && !run.is_empty());
            }
            Stmt::Expr(expr, _) => expr,
            _ => return None,
        };
        loop {
            if let Some((truth, run)) = self.known.decided(at) {
                return Some((at, truth, run)).filter(|(.., run)| !run.is_empty());
            }
            at = match at {
                Expr::If(branch) => &branch.cond,
                Expr::Match(asked) => &asked.expr,
                Expr::MethodCall(call) => &call.receiver,
                Expr::Binary(changed) if is_change(&changed.op) => &changed.right,
                Expr::Assign(assigned) => &assigned.right,
                Expr::Binary(binary) => &binary.left,
                Expr::Unary(unary) => &unary.expr,
                Expr::Paren(inner) => &inner.expr,
                Expr::Return(left) => left.expr.as_ref()?,
                Expr::Let(bound) => &bound.expr,
                _ => return None,
            };
        }
    }

    /// Statements in front of another one.
    pub(super) fn before(&self, run: &[&Expr], indent: usize) -> String {
        let indent = format!("\n{}", " ".repeat(indent));
        let run = run.iter().flat_map(|expr| self.to_be_run(expr));
        run.map(|step| format!("{step}\n").replace('\n', &indent)).collect()
    }

    /// What an arm or a closure does: braces come around it if it becomes more than one statement.
    pub(super) fn body(&mut self, body: &Expr) {
        let statement = Stmt::Expr(body.clone(), None);
        let asked = self.asked_first(&statement);
        let rewrites = self.pass == Pass::Rewrite && !matches!(body, Expr::Block(_));
        match asked.filter(|_| rewrites) {
            Some((asked, truth, run)) => {
                let Range { start, end } = range(body);
                let indent = self.indent(start);
                let run = self.before(&run, indent + 4);
                self.replace(start..start, format!("{{\n{}{run}", " ".repeat(indent + 4)));
                self.replace(range(asked), truth.to_string());
                self.replace(end..end, format!("\n{}}}", " ".repeat(indent)));
            }
            None => self.visit_expr(body),
        }
    }

    /// Statements that do what `expr` does, where nobody asks what it comes to.
    pub(super) fn to_be_run(&self, expr: &Expr) -> Vec<String> {
        let text = |expr: &Expr| self.text[range(expr)].to_owned();
        let one = |run: &Expr, left: &Expr, not: &str| {
            let run = self.known.decided(run).map_or_else(|| vec![run], |(_, run)| run);
            let run: Vec<_> = run.into_iter().flat_map(|expr| self.to_be_run(expr)).collect();
            if run.is_empty() {
                return self.to_be_run(left);
            }
            let run = run.join("\n").replace('\n', "\n    ");
            vec![format!("if {not}{} {{\n    {run}\n}}", text(left))]
        };
        match expr {
            _ if self.known.does_nothing(expr) => Vec::new(),
            Expr::Paren(inner) => self.to_be_run(&inner.expr),
            Expr::Reference(inner) => self.to_be_run(&inner.expr),
            Expr::Unary(unary) => self.to_be_run(&unary.expr),
            Expr::Field(field) => self.to_be_run(&field.base),
            Expr::Let(bound) => self.to_be_run(&bound.expr),
            Expr::Binary(binary) => match binary.op {
                BinOp::And(_) => one(&binary.right, &binary.left, ""),
                BinOp::Or(_) => one(&binary.right, &binary.left, "!"),
                _ => [&binary.left, &binary.right]
                    .into_iter()
                    .flat_map(|side| self.to_be_run(side))
                    .collect(),
            },
            Expr::MethodCall(call) if decide::asks_whether_some(call) => {
                self.to_be_run(&call.receiver)
            }
            _ => vec![format!("{};", text(expr))],
        }
    }
}
