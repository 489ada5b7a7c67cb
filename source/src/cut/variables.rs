//! Variables that are known, and those that nobody asks any more.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Expr, ImplItemFn, Pat, Stmt};

use super::{Cutter, Place, range};
use crate::decide::Matches;

/// The names in macros, which nobody looks into: variables called so stay.
fn opaque(function: &ImplItemFn) -> BTreeSet<String> {
    struct Opaque(Vec<String>);
    impl<'ast> Visit<'ast> for Opaque {
        fn visit_macro(&mut self, call: &'ast syn::Macro) {
            match call.parse_body::<Matches>() {
                // Whether this matches is decided where the variable is.
                Ok(Matches { scrutinee: Expr::Path(_) | Expr::Field(_), guard: None, .. }) => {}
                _ => names(call.tokens.clone(), &mut self.0),
            }
        }
    }
    let mut opaque = Opaque(Vec::new());
    opaque.visit_impl_item_fn(function);
    opaque.0.into_iter().collect()
}

/// Every name in `tokens`, as often as it is there.
fn names(tokens: TokenStream, found: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => names(group.stream(), found),
            TokenTree::Ident(name) => found.push(name.to_string()),
            // `{name}` in a format.
            TokenTree::Literal(text) => {
                let text = text.to_string();
                let named = text.split('{').skip(1);
                found.extend(
                    named.filter_map(|rest| rest.split(['}', ':']).next().map(str::to_owned)),
                );
            }
            TokenTree::Punct(_) => {}
        }
    }
}

/// Is one thing alone called so in the function, and does it never change?
pub(super) fn is_constant(function: &ImplItemFn, name: &str) -> bool {
    struct Bound<'n>(&'n str, Vec<bool>);
    impl<'ast> Visit<'ast> for Bound<'_> {
        fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
            if pat.ident == self.0 {
                self.1.push(pat.mutability.is_none());
            }
            syn::visit::visit_pat_ident(self, pat);
        }
    }
    let mut bound = Bound(name, Vec::new());
    bound.visit_impl_item_fn(function);
    bound.1 == [true]
}

/// `let name = name;`
pub(super) fn is_called(local: &syn::Local, name: &str) -> bool {
    local
        .init
        .as_ref()
        .is_some_and(|init| matches!(&*init.expr, Expr::Path(path) if path.path.is_ident(name)))
}

impl Cutter<'_> {
    /// `let (kept, safe) = (a(), true)`: is a part known, and so taken away?
    pub(super) fn without_known_part(&mut self, local: &syn::Local) -> bool {
        let (Pat::Tuple(names), Some(init)) = (&local.pat, &local.init) else { return false };
        let values = match &*init.expr {
            Expr::Tuple(values) => values,
            Expr::Block(block) => match block.block.stmts.last() {
                Some(Stmt::Expr(Expr::Tuple(values), None)) => values,
                _ => return false,
            },
            _ => return false,
        };
        let parts = names.elems.iter().zip(&values.elems);
        let known = parts.clone().find_map(|(name, value)| match name {
            Pat::Ident(ident) if ident.mutability.is_none() => {
                let known = self.known.value(value).filter(|value| value.source().is_some())?;
                let name = ident.ident.to_string();
                (!self.is_opaque(&name)).then_some((name, known))
            }
            _ => None,
        });
        let Some((known, value)) = known.filter(|_| names.elems.len() == values.elems.len()) else {
            return false;
        };
        let is_left = |name: &Pat| !matches!(name, Pat::Ident(name) if name.ident == known);
        let left: Vec<_> = parts.filter(|(name, _)| is_left(name)).collect();
        let indent = self.indent(range(values).start);
        let names_left = left.iter().map(|(name, _)| self.text[range(*name)].to_owned()).collect();
        let values_left = left.iter().map(|(_, value)| self.cut_expr(value, indent)).collect();
        let tuple = |parts: Vec<String>| match &parts[..] {
            [one] => one.clone(),
            _ => format!("({})", parts.join(", ")),
        };
        if let Expr::Block(block) = &*init.expr {
            let before = block.block.stmts.len() - 1;
            block.block.stmts[..before].iter().for_each(|one| self.statement(one, Place::Before));
        }
        self.replace(range(names), tuple(names_left));
        self.replace(range(values), tuple(values_left));
        self.known.variables.insert(known, Some(value));
        true
    }

    pub(super) fn is_opaque(&self, name: &str) -> bool {
        self.opaque.get_or_init(|| opaque(self.function)).contains(name)
    }

    pub(super) fn is_unused(&self, name: &str) -> bool {
        let used = self.used.get_or_init(|| {
            let mut used = Vec::new();
            names(self.text.parse().expect("it was parsed"), &mut used);
            used.into_iter().fold(BTreeMap::new(), |mut times, name| {
                *times.entry(name).or_default() += 1;
                times
            })
        });
        !name.starts_with('_') && used.get(name) == Some(&1)
    }

    /// Does it take no step to come to this variable's value?
    pub(super) fn is_free(&self, local: &syn::Local) -> bool {
        let init = local.init.as_ref().filter(|init| init.diverge.is_none());
        init.is_some_and(|init| self.known.does_nothing(&init.expr))
    }
}
