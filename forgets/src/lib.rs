//! `#[forgets]` before an `impl`: what a CPU learns in a call of one of its methods comes to what the
//! method returns. So two states in which it has learned something else there, and was given the same
//! by it, are one state to a search that tells states apart; in every other run it changes nothing.
//!
//! That is true of a method from which nothing else can get out. It must have no argument that it
//! could write to (`&mut`, a closure), and return a value that is all there is to know: no reference,
//! nothing with a lifetime, and [`Hash`], which the compiler asks for. Methods that are not so are
//! left as they are, and so is one that has to know its caller (`#[track_caller]`). What a CPU keeps
//! for itself is part of the state: that is asked of whoever writes the `impl`. A method before which
//! `#[remembers]` stands is left as it is, too.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// See the crate's documentation.
#[proc_macro_attribute]
pub fn forgets(_: TokenStream, item: TokenStream) -> TokenStream {
    let mut item: Vec<TokenTree> = item.into_iter().collect();
    let Some(TokenTree::Group(methods)) = item.pop() else {
        return "compile_error!(\"#[forgets] stands before an `impl`\");".parse().expect("Rust");
    };
    let mut forgets = Group::new(Delimiter::Brace, each_method(methods.stream()));
    forgets.set_span(methods.span());
    item.into_iter().chain([forgets.into()]).collect()
}

/// All that is in an `impl`.
fn each_method(items: TokenStream) -> TokenStream {
    let (mut done, mut head) = (TokenStream::new(), Vec::new());
    for token in items {
        match token {
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => {
                let remembers = take_remembers(&mut head);
                let body = if remembers || lets_out(&head) { body } else { learns_only(&body) };
                done.extend(head.drain(..).chain([body.into()]));
            }
            other => head.push(other),
        }
    }
    done.extend(head);
    done
}

/// Is `#[remembers]` there? If so, it is not any more.
fn take_remembers(head: &mut Vec<TokenTree>) -> bool {
    let is =
        |pair: &[TokenTree]| pair[0].to_string() == "#" && pair[1].to_string() == "[remembers]";
    let at = head.windows(2).position(is);
    at.map(|at| head.drain(at..at + 2)).is_some()
}

/// Can something get out of the method other than what is known of what it returns?
fn lets_out(head: &[TokenTree]) -> bool {
    let Some(name) = head.iter().position(|token| token.to_string() == "fn") else { return true };
    let (before, signature) = head.split_at(name);
    let groups = signature.iter().position(|token| matches!(token, TokenTree::Group(_)));
    let Some(arguments) = groups else { return true };
    let returned = words(&signature[arguments + 1..]);
    let (arguments, generics) =
        (words(&signature[arguments..=arguments]), words(&signature[..arguments]));
    let has = |of: &[String], any: &[&str]| of.iter().any(|word| any.contains(&word.as_str()));
    let is_method = arguments.iter().take(3).any(|word| word == "self");
    let writes = arguments.windows(2).any(|pair| pair[0] == "&" && pair[1] == "mut");
    let closures = ["impl", "dyn", "Fn", "FnMut", "FnOnce"];
    !is_method
        || writes
        || has(&arguments, &closures)
        || has(&generics, &["<"])
        || has(&returned, &["&", "'", "impl", "!"])
        || has(&words(before), &["const", "unsafe", "async", "track_caller"])
}

/// All words and signs of these, those in groups as well.
fn words(tokens: &[TokenTree]) -> Vec<String> {
    let of = |token: &TokenTree| match token {
        TokenTree::Group(group) => words(&group.stream().into_iter().collect::<Vec<_>>()),
        other => vec![other.to_string()],
    };
    tokens.iter().flat_map(of).collect()
}

/// The body, as a closure whose call comes to what it returns.
fn learns_only(body: &Group) -> Group {
    // What the compiler finds wrong with it, it is to find there.
    let here = |code: &str| {
        let code: TokenStream = code.parse().expect("Rust");
        code.into_iter().map(|mut token: TokenTree| {
            token.set_span(body.span());
            token
        })
    };
    let call = here("crate::sync::learns_only");
    let closure = here("||").chain([body.clone().into()]).collect();
    let closure = TokenTree::from(Group::new(Delimiter::Parenthesis, closure));
    let mut all = Group::new(Delimiter::Brace, call.chain([closure]).collect());
    all.set_span(body.span());
    all
}
