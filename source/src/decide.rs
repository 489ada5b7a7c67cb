//! What an expression comes to that depends on rules alone.

use std::collections::{BTreeMap, BTreeSet};

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::visit::Visit;
use syn::{BinOp, Expr, Lit, Member, Pat, Token, UnOp};

use crate::Choices;

/// A value that is known.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Bool(bool),
    /// An arm of a rule: the rule's type where it is known, and the arm.
    Arm(Option<String>, String),
    /// There is nothing.
    None,
    /// All the rules.
    Rules,
}

impl Value {
    /// As Rust; `None` where there is no short way to say it.
    pub fn source(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Arm(Some(rule), arm) => Some(format!("{rule}::{arm}")),
            Self::None => Some("None".into()),
            Self::Arm(None, _) | Self::Rules => None,
        }
    }
}

/// What is known where an expression stands.
#[derive(Clone)]
pub struct Known<'k> {
    pub choices: &'k Choices,
    pub bodies: &'k BTreeMap<String, Option<Expr>>,
    /// Variables; those of which nothing is known hide others of their name.
    pub variables: BTreeMap<String, Option<Value>>,
    /// How many functions are being looked through.
    pub depth: usize,
}

/// `matches!(scrutinee, pattern)`, with what may stand behind `if`.
pub struct Matches {
    pub scrutinee: Expr,
    pub pattern: Pat,
    pub guard: Option<Expr>,
}

impl Parse for Matches {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let scrutinee = input.parse()?;
        input.parse::<Token![,]>()?;
        let pattern = Pat::parse_multi_with_leading_vert(input)?;
        let guard = if input.peek(Token![if]) {
            input.parse::<Token![if]>()?;
            Some(input.parse()?)
        } else {
            None
        };
        input.parse::<Option<Token![,]>>()?;
        Ok(Self { scrutinee, pattern, guard })
    }
}

/// Whether a known value matches a pattern; `None` where the pattern binds it, or is of another
/// kind.
pub fn matches(value: &Value, pattern: &Pat) -> Option<bool> {
    match (value, pattern) {
        (_, Pat::Wild(_)) => Some(true),
        (_, Pat::Paren(inner)) => matches(value, &inner.pat),
        // It is the guard's to say.
        (_, Pat::Guard(guarded)) => matches(value, &guarded.pat).filter(|matched| !matched),
        (_, Pat::Or(any)) => {
            let each: Vec<_> = any.cases.iter().map(|case| matches(value, case)).collect();
            if each.contains(&Some(true)) {
                Some(true)
            } else {
                each.iter().all(Option::is_some).then_some(false)
            }
        }
        (Value::Arm(_, arm), Pat::Path(path)) => Some(path.path.segments.last()?.ident == arm),
        // An arm that is imported by its name; everything else that looks so is a variable.
        (Value::Arm(_, arm), Pat::Ident(name))
            if name.ident.to_string().starts_with(char::is_uppercase) =>
        {
            Some(name.ident == arm)
        }
        (Value::Bool(value), Pat::Lit(lit)) => match &lit.lit {
            Lit::Bool(lit) => Some(lit.value == *value),
            _ => None,
        },
        _ => None,
    }
}

impl Known<'_> {
    /// What `expr` comes to, if that depends on nothing else.
    pub fn value(&self, expr: &Expr) -> Option<Value> {
        match expr {
            Expr::Paren(inner) => self.value(&inner.expr),
            Expr::Group(inner) => self.value(&inner.expr),
            Expr::Reference(inner) => self.value(&inner.expr),
            Expr::Lit(lit) => match &lit.lit {
                Lit::Bool(lit) => Some(Value::Bool(lit.value)),
                _ => None,
            },
            Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)) => {
                Some(Value::Bool(!self.truth(&unary.expr)?))
            }
            Expr::Binary(binary) => self.binary(&binary.left, &binary.op, &binary.right),
            Expr::Path(path) => {
                if let Some(name) = path.path.get_ident() {
                    if name == "None" {
                        return Some(Value::None);
                    }
                    return self.variables.get(&name.to_string()).cloned().flatten();
                }
                let segments: Vec<_> =
                    path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
                match &segments[..] {
                    [rule, arm]
                        if rule.starts_with(char::is_uppercase)
                            && arm.starts_with(char::is_uppercase) =>
                    {
                        Some(Value::Arm(Some(rule.clone()), arm.clone()))
                    }
                    _ => None,
                }
            }
            Expr::Field(field) => match (self.value(&field.base)?, &field.member) {
                (Value::Rules, Member::Named(rule)) => {
                    let &(rule, arm) = self.choices.get(&*rule.to_string())?;
                    Some(Value::Arm(Some(rule.into()), arm.into()))
                }
                _ => None,
            },
            Expr::MethodCall(call) if self.value(&call.receiver) == Some(Value::None) => {
                of_none(call)
            }
            Expr::MethodCall(call)
                if call.method == "then" && self.truth(&call.receiver) == Some(false) =>
            {
                Some(Value::None)
            }
            // `if let Some(name) = None`
            Expr::Let(bound) if self.value(&bound.expr) == Some(Value::None) => {
                matches!(&*bound.pat, Pat::TupleStruct(pat) if pat.path.is_ident("Some"))
                    .then_some(Value::Bool(false))
            }
            Expr::MethodCall(call) if call.args.is_empty() => {
                if call.method == "rules" {
                    return Some(Value::Rules);
                }
                // Another function: what it asks of rules alone is known here, too.
                let of_the_world = matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self") || path.path.is_ident("world"));
                let body = self
                    .bodies
                    .get(&call.method.to_string())?
                    .as_ref()
                    .filter(|_| of_the_world && self.depth < 8)?;
                Known { variables: BTreeMap::new(), depth: self.depth + 1, ..self.clone() }
                    .value(body)
            }
            Expr::Macro(call) if call.mac.path.is_ident("matches") => {
                let asked: Matches = call.mac.parse_body().ok()?;
                let matched = matches(&self.value(&asked.scrutinee)?, &asked.pattern)?;
                match (matched, &asked.guard) {
                    (true, Some(guard)) => self.value(guard),
                    (matched, _) => Some(Value::Bool(matched)),
                }
            }
            Expr::Block(block) => match &*block.block.stmts {
                [syn::Stmt::Expr(inner, None)] => self.value(inner),
                _ => None,
            },
            Expr::If(branch) => {
                let (yes, no) =
                    (&branch.then_branch, branch.else_branch.as_ref().map(|(_, no)| no));
                match (self.truth(&branch.cond)?, &*yes.stmts, no) {
                    (true, [syn::Stmt::Expr(yes, None)], _) => self.value(yes),
                    (false, _, Some(no)) => self.value(no),
                    _ => None,
                }
            }
            Expr::Match(asked) => {
                let value = self.value(&asked.expr)?;
                self.value(self.taken(&value, &asked.arms)?)
            }
            _ => None,
        }
    }

    /// The body of the arm that is taken for `value`, if that is known.
    pub fn taken<'e>(&self, value: &Value, arms: &'e [syn::Arm]) -> Option<&'e Expr> {
        for arm in arms {
            let matched = match &arm.pat {
                Pat::Guard(guarded) => {
                    matches(value, &guarded.pat)? && self.truth(&guarded.guard)?
                }
                pattern => matches(value, pattern)?,
            };
            if matched {
                return Some(&arm.body);
            }
        }
        None
    }

    /// Whether `expr` is true.
    pub fn truth(&self, expr: &Expr) -> Option<bool> {
        match self.value(expr)? {
            Value::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    fn binary(&self, left: &Expr, op: &BinOp, right: &Expr) -> Option<Value> {
        let same = |left, right| match (left, right) {
            (Value::Arm(_, left), Value::Arm(_, right)) => Some(left == right),
            (Value::Bool(left), Value::Bool(right)) => Some(left == right),
            _ => None,
        };
        let truth = match op {
            BinOp::Eq(_) => same(self.value(left)?, self.value(right)?)?,
            BinOp::Ne(_) => !same(self.value(left)?, self.value(right)?)?,
            BinOp::And(_) => self.sides(left, right, false)?,
            BinOp::Or(_) => self.sides(left, right, true)?,
            _ => return None,
        };
        Some(Value::Bool(truth))
    }

    /// What two sides come to of which one that is `decisive` settles it. What stands on the right
    /// of one that does is never run; what stands on the left is, and must do nothing.
    fn sides(&self, left: &Expr, right: &Expr, decisive: bool) -> Option<bool> {
        match (self.truth(left), self.truth(right)) {
            (Some(left), _) if left == decisive => Some(decisive),
            (None, Some(right)) if right == decisive && self.does_nothing(left) => Some(decisive),
            (Some(_), right) => right,
            (None, _) => None,
        }
    }

    /// Does running `expr` do nothing but compare what is in variables?
    fn does_nothing(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Path(_) | Expr::Lit(_) => true,
            Expr::Paren(inner) => self.does_nothing(&inner.expr),
            Expr::Reference(inner) => self.does_nothing(&inner.expr),
            Expr::Unary(unary) => self.does_nothing(&unary.expr),
            Expr::Field(field) => self.does_nothing(&field.base),
            Expr::Binary(binary) => {
                self.does_nothing(&binary.left) && self.does_nothing(&binary.right)
            }
            Expr::Macro(call) if call.mac.path.is_ident("matches") => call
                .mac
                .parse_body::<Matches>()
                .is_ok_and(|asked| self.does_nothing(&asked.scrutinee)),
            _ => self.value(expr).is_some(),
        }
    }

    /// From here on nothing is known of the variables that `pattern` binds.
    pub fn hide(&mut self, pattern: &Pat) {
        struct Names<'n, 'k>(&'n mut Known<'k>);
        impl<'ast> Visit<'ast> for Names<'_, '_> {
            fn visit_pat_ident(&mut self, name: &'ast syn::PatIdent) {
                self.0.variables.insert(name.ident.to_string(), None);
                syn::visit::visit_pat_ident(self, name);
            }
        }
        Names(self).visit_pat(pattern);
    }
}

/// What a method of an `Option` comes to that is `None`: what it is given is not looked at.
fn of_none(call: &syn::ExprMethodCall) -> Option<Value> {
    match &*call.method.to_string() {
        "is_some" | "is_some_and" => Some(Value::Bool(false)),
        "is_none" | "is_none_or" => Some(Value::Bool(true)),
        "map" | "filter" | "and_then" | "flatten" | "copied" | "cloned" | "as_ref" => {
            Some(Value::None)
        }
        _ => None,
    }
}

/// The rules that a function asks.
pub fn asked(function: &syn::ImplItemFn) -> BTreeSet<String> {
    #[derive(Default)]
    struct Asked {
        found: BTreeSet<String>,
        bound: BTreeSet<String>,
    }
    impl<'ast> Visit<'ast> for Asked {
        fn visit_local(&mut self, local: &'ast syn::Local) {
            let rules =
                |expr: &Expr| matches!(expr, Expr::MethodCall(call) if call.method == "rules");
            if let (Pat::Ident(name), Some(init)) = (&local.pat, &local.init)
                && rules(&init.expr)
            {
                self.bound.insert(name.ident.to_string());
            }
            syn::visit::visit_local(self, local);
        }

        fn visit_expr_field(&mut self, field: &'ast syn::ExprField) {
            let rules = match &*field.base {
                Expr::MethodCall(call) => call.method == "rules",
                Expr::Path(path) => {
                    path.path.get_ident().is_some_and(|name| self.bound.contains(&name.to_string()))
                }
                _ => false,
            };
            if let (true, Member::Named(rule)) = (rules, &field.member) {
                self.found.insert(rule.to_string());
            }
            syn::visit::visit_expr_field(self, field);
        }

        fn visit_macro(&mut self, call: &'ast syn::Macro) {
            if let Ok(asked) = call.parse_body::<Matches>() {
                self.visit_expr(&asked.scrutinee);
                asked.guard.iter().for_each(|guard| self.visit_expr(guard));
            } else if let Ok(all) =
                call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated)
            {
                all.iter().for_each(|one| self.visit_expr(one));
            }
        }
    }
    let mut asked = Asked::default();
    asked.visit_impl_item_fn(function);
    asked.found
}
