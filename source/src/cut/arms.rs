//! A `match` of which only some arms can be taken.

use syn::visit::Visit;
use syn::{Expr, Pat};

use super::{Cutter, range};
use crate::decide;

impl Cutter<'_> {
    /// The body of the arm that is taken, if that is known.
    pub(super) fn taken(&self, asked: &syn::ExprMatch) -> Option<Expr> {
        let value = self.known.value(&asked.expr)?;
        self.known.taken(&value, &asked.arms).cloned()
    }

    /// A `match` of which it is not known which arm is taken: those that cannot be go.
    pub(super) fn arms(&mut self, asked: &syn::ExprMatch) {
        let value = self.known.value(&asked.expr);
        let mut left = Vec::new();
        for arm in &asked.arms {
            let (pattern, guard) = match &arm.pat {
                Pat::Guard(guarded) => (&*guarded.pat, Some(&*guarded.guard)),
                pattern => (pattern, None),
            };
            let fits = match &value {
                Some(value) => decide::matches(value, pattern),
                None => matches!(pattern, Pat::Wild(_)).then_some(true),
            };
            let truth = guard.map_or(Some(true), |guard| self.guard(pattern, guard));
            if fits == Some(false) || truth == Some(false) {
                continue;
            }
            left.push((arm, pattern, guard.filter(|_| truth.is_none()), fits == Some(true)));
            if fits == Some(true) && truth == Some(true) {
                break;
            }
        }
        let whole = range(asked);
        // What comes to the same as the rest belongs to the rest.
        if let Some(&rest) = left.last()
            && let (arm, Pat::Wild(_), None, true) = rest
        {
            let same = self.known.value(&arm.body);
            left.pop();
            while let Some((arm, _, None, _)) = left.last()
                && same.is_some()
                && self.known.value(&arm.body) == same
            {
                left.pop();
            }
            if left.is_empty() && self.known.does_nothing(&asked.expr) {
                return self.instead(whole, &arm.body);
            }
            left.push(rest);
        }
        // Nothing is asked of what is known: only the guards decide.
        if value.is_some() && left.iter().all(|(.., fits)| *fits) {
            let indent = self.indent(whole.start);
            let text = self.guards(left.iter().map(|(arm, _, guard, _)| (*arm, *guard)), indent);
            return self.replace(whole, text);
        }
        self.visit_expr(&asked.expr);
        for arm in &asked.arms {
            match left.iter().find(|(left, ..)| std::ptr::eq(*left, arm)) {
                None => self.delete(range(arm)),
                Some((_, pattern, None, _)) if matches!(arm.pat, Pat::Guard(_)) => {
                    self.replace(range(*pattern).end..range(&arm.pat).end, String::new());
                    let variables = self.known.variables.clone();
                    self.known.hide(&arm.pat);
                    self.body(&arm.body);
                    self.known.variables = variables;
                }
                Some(_) => self.visit_arm(arm),
            }
        }
    }

    /// What a guard comes to behind a pattern.
    pub(super) fn guard(&self, pattern: &Pat, guard: &Expr) -> Option<bool> {
        let mut known = self.known.clone();
        known.hide(pattern);
        known.truth(guard)
    }

    /// `if guard { body } else { body }`.
    pub(super) fn guards<'e>(
        &mut self,
        arms: impl Iterator<Item = (&'e syn::Arm, Option<&'e Expr>)>,
        indent: usize,
    ) -> String {
        let spaces = " ".repeat(indent);
        let (mut out, mut short) = (String::new(), true);
        for (arm, guard) in arms {
            if let Some(guard) = guard {
                out += &format!("if {} ", self.cut_expr(guard, indent));
            }
            let body = match &*arm.body {
                Expr::Block(block) if block.attrs.is_empty() && block.label.is_none() => {
                    short = false;
                    self.cut_expr(&arm.body, indent)
                }
                body => {
                    let body = self.cut_expr(body, indent + 4);
                    format!("{{\n{spaces}    {body}\n{spaces}}}")
                }
            };
            out += &body;
            if guard.is_some() {
                out += " else ";
            }
        }
        // As rustfmt has it.
        let line = out.split_whitespace().collect::<Vec<_>>().join(" ");
        if short && line.len() <= 50 { line } else { out }
    }
}
