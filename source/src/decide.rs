//! What an expression comes to that depends on rules alone.

use std::collections::{BTreeMap, BTreeSet};

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::visit::Visit;
use syn::{
    BinOp, Expr, FnArg, ImplItemFn, Lit, Member, Pat, ReceiverKind, ReturnType, Stmt, Token, Type,
    UnOp,
};

use crate::Choices;

/// A value that is known.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Bool(bool),
    /// An arm of a rule: the rule's type where it is known, and the arm.
    Arm(Option<String>, String),
    /// There is nothing.
    None,
    /// There is this.
    Some(Box<Value>),
    /// Nobody is told anything.
    Unit,
    /// `Ok(())`
    Done,
    /// All the rules.
    Rules,
    /// What a closure returns, whatever it is given.
    Returns(Box<Value>),
}

impl Value {
    /// As Rust; `None` where there is no short way to say it.
    pub fn source(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Arm(Some(rule), arm) => Some(format!("{rule}::{arm}")),
            Self::None => Some("None".into()),
            Self::Some(inner) => Some(format!("Some({})", inner.source()?)),
            Self::Unit => Some("()".into()),
            Self::Arm(None, _) | Self::Done | Self::Rules | Self::Returns(_) => None,
        }
    }
}

/// A function that is one expression.
pub struct Body {
    pub expr: Expr,
    /// It is given values, and no references.
    pub by_value: bool,
}

impl Body {
    pub fn of(function: &ImplItemFn) -> Option<Self> {
        let [Stmt::Expr(expr, None)] = &*function.block.stmts else { return None };
        let inputs = &function.sig.inputs;
        let by_value = inputs.iter().all(|input| match input {
            FnArg::Receiver(receiver) => matches!(receiver.kind, ReceiverKind::Value),
            FnArg::Typed(typed) => !matches!(&*typed.ty, Type::Reference(_)),
        });
        Some(Self { expr: expr.clone(), by_value })
    }
}

/// What a function comes to of which only that is left: it takes no step, whatever it is given.
pub fn comes_to(left: &ImplItemFn, known: &Known<'_>) -> Option<Value> {
    let expr = match &*left.block.stmts {
        [] => return matches!(left.sig.output, ReturnType::Default).then_some(Value::Unit),
        [Stmt::Expr(Expr::Return(returned), _)] => returned.expr.as_ref()?,
        [Stmt::Expr(expr, None)] => expr,
        _ => return None,
    };
    if let Expr::Call(call) = expr
        && matches!(&*call.func, Expr::Path(path) if path.path.is_ident("Ok"))
        && matches!(call.args.first(), Some(Expr::Tuple(unit)) if unit.elems.is_empty())
    {
        return Some(Value::Done);
    }
    known.value(expr).filter(|value| value.source().is_some())
}

/// What is known where an expression stands.
#[derive(Clone)]
pub struct Known<'k> {
    pub choices: &'k Choices,
    pub bodies: &'k BTreeMap<String, Option<Body>>,
    /// What the world's functions come to that do nothing else.
    pub come_to: &'k BTreeMap<String, Value>,
    /// Variables; those of which nothing is known hide others of their name.
    pub variables: BTreeMap<String, Option<Value>>,
    /// How many functions are being looked through.
    pub depth: usize,
}

impl<'k> Known<'k> {
    /// What is known where a function begins.
    pub fn under(
        choices: &'k Choices,
        bodies: &'k BTreeMap<String, Option<Body>>,
        come_to: &'k BTreeMap<String, Value>,
    ) -> Self {
        Self { choices, bodies, come_to, variables: BTreeMap::new(), depth: 0 }
    }
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
        (Value::Some(inner), Pat::TupleStruct(pat)) if pat.path.is_ident("Some") => {
            matches(inner, pat.elems.first()?)
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
            Expr::Closure(closure) => {
                let mut inside = self.clone();
                closure.inputs.iter().for_each(|input| inside.hide(input));
                Some(Value::Returns(Box::new(inside.value(&closure.body)?)))
            }
            Expr::Call(call) if is_some(&call.func) && call.args.len() == 1 => {
                Some(Value::Some(Box::new(self.value(&call.args[0])?)))
            }
            Expr::Call(call) => match self.value(&call.func)? {
                Value::Returns(value) if call.args.iter().all(|arg| self.does_nothing(arg)) => {
                    Some(*value)
                }
                _ => None,
            },
            Expr::MethodCall(call) if self.value(&call.receiver) == Some(Value::None) => {
                of_none(call)
            }
            Expr::MethodCall(call)
                if matches!(&*call.method.to_string(), "then" | "then_some")
                    && self.truth(&call.receiver) == Some(false)
                    && call.args.iter().all(|arg| self.does_nothing(arg)) =>
            {
                Some(Value::None)
            }
            Expr::MethodCall(call)
                if call.args.len() == 1
                    && self.does_nothing(&call.receiver)
                    && matches!(self.value(&call.args[0]), Some(Value::Returns(_))) =>
            {
                let Value::Returns(value) = self.value(&call.args[0])? else { return None };
                of_all(call, &value)
            }
            // `if let Some(name) = None`
            Expr::Let(bound) if self.value(&bound.expr) == Some(Value::None) => {
                matches!(&*bound.pat, Pat::TupleStruct(pat) if pat.path.is_ident("Some"))
                    .then_some(Value::Bool(false))
            }
            // `if let Err(error) = Ok(())`
            Expr::Let(bound) if self.value(&bound.expr) == Some(Value::Done) => {
                matches!(&*bound.pat, Pat::TupleStruct(pat) if pat.path.is_ident("Err"))
                    .then_some(Value::Bool(false))
            }
            Expr::Try(tried) => {
                let done = self.value(&tried.expr) == Some(Value::Done);
                done.then_some(Value::Unit)
            }
            Expr::MethodCall(call) if call.args.is_empty() && call.method == "rules" => {
                Some(Value::Rules)
            }
            Expr::MethodCall(call) => {
                let of_the_world = is_the_world(&call.receiver);
                let given = || call.args.iter().all(|arg| self.does_nothing(arg));
                let value = self.come_to.get(&call.method.to_string());
                value.filter(|_| of_the_world && given()).cloned()
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
                let value_of = |block: &syn::Block| match &*block.stmts {
                    [Stmt::Expr(one, None)] => self.value(one),
                    _ => None,
                };
                match (self.truth(&branch.cond), no) {
                    (Some(true), _) => value_of(yes),
                    (Some(false), Some(no)) => self.value(no),
                    // Whichever is taken.
                    (None, Some(no)) if self.does_nothing(&branch.cond) => {
                        self.value(no).filter(|no| value_of(yes).as_ref() == Some(no))
                    }
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

    /// What `expr` comes to, and what has to be run for it all the same: an operand whose value
    /// changes nothing.
    pub fn decided<'e>(&self, expr: &'e Expr) -> Option<(bool, Vec<&'e Expr>)> {
        if let Some(truth) = self.truth(expr) {
            return Some((truth, Vec::new()));
        }
        match expr {
            Expr::Paren(inner) => self.decided(&inner.expr),
            Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)) => {
                self.decided(&unary.expr).map(|(truth, run)| (!truth, run))
            }
            Expr::Binary(binary) => {
                let decisive = match binary.op {
                    BinOp::And(_) => false,
                    BinOp::Or(_) => true,
                    _ => return None,
                };
                let (left, right) = (self.decided(&binary.left), self.decided(&binary.right));
                match (left, right) {
                    (Some((left, run)), _) if left == decisive => Some((left, run)),
                    (Some((_, mut run)), Some((right, more))) => {
                        run.extend(more);
                        Some((right, run))
                    }
                    (None, Some((right, run))) if right == decisive => {
                        let left = if run.is_empty() { &*binary.left } else { expr };
                        Some((right, vec![left]))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn body(&self, name: &syn::Ident) -> Option<&Body> {
        self.bodies.get(&name.to_string())?.as_ref()
    }

    /// Does running `expr` take no step: does it only look at what is in variables?
    pub fn does_nothing(&self, expr: &Expr) -> bool {
        match expr {
            // What a closure does is done when it is called.
            Expr::Path(_) | Expr::Lit(_) | Expr::Closure(_) => true,
            Expr::Paren(inner) => self.does_nothing(&inner.expr),
            Expr::Reference(inner) => self.does_nothing(&inner.expr),
            Expr::Unary(unary) => self.does_nothing(&unary.expr),
            Expr::Field(field) => self.does_nothing(&field.base),
            Expr::Tuple(tuple) => tuple.elems.iter().all(|each| self.does_nothing(each)),
            Expr::Struct(made) if made.rest.is_none() => {
                made.fields.iter().all(|field| self.does_nothing(&field.expr))
            }
            Expr::Binary(binary) => {
                self.does_nothing(&binary.left) && self.does_nothing(&binary.right)
            }
            Expr::Macro(call) if call.mac.path.is_ident("matches") => call
                .mac
                .parse_body::<Matches>()
                .is_ok_and(|asked| self.does_nothing(&asked.scrutinee)),
            Expr::MethodCall(call) if self.does_nothing(&call.receiver) => {
                asks_whether_some(call)
                    || self.only_computes(&call.method, &call.args)
                    || self.value(expr).is_some()
            }
            // `Pte::clean(page, false)`, `Some(page)`
            Expr::Call(call) => match &*call.func {
                Expr::Path(_) if is_some(&call.func) => {
                    call.args.iter().all(|arg| self.does_nothing(arg))
                }
                Expr::Path(path) if path.path.segments.len() > 1 => {
                    let name = &path.path.segments.last().expect("there are some").ident;
                    self.only_computes(name, &call.args)
                }
                _ => false,
            },
            _ => self.value(expr).is_some(),
        }
    }

    /// Is this a function that makes a value of the values that it is given, and does nothing else?
    fn only_computes(&self, name: &syn::Ident, args: &Punctuated<Expr, Token![,]>) -> bool {
        args.iter().all(|arg| self.does_nothing(arg))
            && self.depth < 8
            && self.body(name).is_some_and(|body| {
                body.by_value
                    && Known { variables: BTreeMap::new(), depth: self.depth + 1, ..self.clone() }
                        .does_nothing(&body.expr)
            })
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

/// `self`, `world`, `self.world`
fn is_the_world(expr: &Expr) -> bool {
    match expr {
        Expr::Path(path) => path.path.is_ident("self") || path.path.is_ident("world"),
        Expr::Field(field) => {
            matches!(&field.member, Member::Named(name) if name == "world")
                && is_the_world(&field.base)
        }
        _ => false,
    }
}

/// What makes something of a value.
fn is_some(expr: &Expr) -> bool {
    matches!(expr, Expr::Path(path) if path.path.is_ident("Some"))
}

/// `is_some()` or `is_none()`.
pub fn asks_whether_some(call: &syn::ExprMethodCall) -> bool {
    call.args.is_empty() && (call.method == "is_some" || call.method == "is_none")
}

/// `!found.is_some()`: the question, if it is one of these that is denied.
pub fn is_denied(unary: &syn::ExprUnary) -> Option<&syn::ExprMethodCall> {
    match (&unary.op, &*unary.expr) {
        (UnOp::Not(_), Expr::MethodCall(call)) if asks_whether_some(call) => Some(call),
        _ => None,
    }
}

/// What a method comes to whose closure returns `value` of whatever is there.
fn of_all(call: &syn::ExprMethodCall, value: &Value) -> Option<Value> {
    let Value::Bool(truth) = value else { return None };
    match &*call.method.to_string() {
        "is_some_and" | "any" if !truth => Some(Value::Bool(false)),
        "is_none_or" | "all" if *truth => Some(Value::Bool(true)),
        "filter" if !truth && !is_iterator(&call.receiver) => Some(Value::None),
        _ => None,
    }
}

/// Does this say itself that it is an iterator?
fn is_iterator(expr: &Expr) -> bool {
    match expr {
        Expr::MethodCall(call) => {
            matches!(&*call.method.to_string(), "iter" | "into_iter") || is_iterator(&call.receiver)
        }
        Expr::Range(_) => true,
        Expr::Paren(inner) => is_iterator(&inner.expr),
        _ => false,
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
