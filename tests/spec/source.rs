//! What the source says: functions, what they call, the words of doc comments.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};

/// The workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file of the workspace.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below `folder` whose name ends in one of `endings`, in a stable order, as paths from the workspace.
pub fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries.map(|entry| entry.expect("a directory entry")) {
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("a file type").is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// A function of `src/`, without its comments.
pub struct Function {
    pub file: String,
    /// `World::unlock_page`.
    pub name: String,
    tokens: TokenStream,
}

impl Function {
    /// The first arguments `Clause::X` of the calls it makes that evaluate a clause, or report it violated.
    pub fn evaluates(&self) -> Vec<String> {
        let mut found = Vec::new();
        calls(self.tokens.clone(), &["clause", "new", "add_violation"], &mut |arguments| {
            let words: Vec<_> = arguments.into_iter().take(4).map(|token| token.to_string()).collect();
            if let [clause, _, _, id] = &words[..]
                && clause == "Clause"
            {
                found.push(id.clone());
            }
        });
        found.sort();
        found.dedup();
        found
    }

    /// Tells one text of the function from another, whatever its comments and its layout are.
    pub fn hash(&self) -> String {
        hash(&self.tokens.to_string())
    }
}

/// FNV-1a, since the standard library promises no hash that stays the same.
pub fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}

/// Every function of `src/`.
pub fn functions() -> Vec<Function> {
    files("src", &[".rs"]).iter().flat_map(|file| functions_of(file)).collect()
}

fn functions_of(file: &str) -> Vec<Function> {
    let mut finder = Finder { file, owner: String::new(), found: Vec::new() };
    finder.visit_file(&parse(file));
    finder.found
}

fn parse(file: &str) -> syn::File {
    syn::parse_file(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

struct Finder<'f> {
    file: &'f str,
    owner: String,
    found: Vec<Function>,
}

impl Finder<'_> {
    fn add(&mut self, name: &syn::Ident, item: &impl ToTokens) {
        let name = if self.owner.is_empty() { name.to_string() } else { format!("{}::{name}", self.owner) };
        self.found.push(Function { file: self.file.into(), name, tokens: uncommented(item.to_token_stream()) });
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig.ident, item);
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig.ident, item);
    }
    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.add(&item.sig.ident, item);
    }
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let mut owner = TokenStream::new();
        if let syn::Type::Path(path) = &*item.self_ty {
            path.path.segments.iter().for_each(|segment| segment.ident.to_tokens(&mut owner));
        }
        self.owner = owner.to_string();
        visit::visit_item_impl(self, item);
        self.owner.clear();
    }
}

/// Without `#[doc = …]`, which is what a doc comment is.
fn uncommented(tokens: TokenStream) -> TokenStream {
    let is_doc = |group: &proc_macro2::Group| group.stream().into_iter().next().is_some_and(|first| first.to_string() == "doc");
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket && is_doc(&group) => {
                kept.pop(); // the `#`
            }
            TokenTree::Group(group) => {
                kept.push(TokenTree::Group(proc_macro2::Group::new(group.delimiter(), uncommented(group.stream()))));
            }
            token => kept.push(token),
        }
    }
    kept.into_iter().collect()
}

/// Hands the arguments of every call of a function of one of these names to `visit`.
fn calls(tokens: TokenStream, names: &[&str], visit: &mut impl FnMut(TokenStream)) {
    let mut before = String::new();
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            if group.delimiter() == Delimiter::Parenthesis && names.contains(&before.as_str()) {
                visit(group.stream());
            }
            calls(group.stream(), names, visit);
        }
        before = token.to_string();
    }
}

/// The names of the locks that `src/mm` makes: `SpinLock::new(Name::new("lru_lock", …), …)`.
pub fn lock_names() -> Vec<String> {
    let mut names = Vec::new();
    for file in files("src/mm", &[".rs"]) {
        constructions(parse(&file).into_token_stream(), &mut names);
    }
    names.sort();
    names
}

fn constructions(tokens: TokenStream, names: &mut Vec<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let path: String = tokens[at.saturating_sub(4)..at].iter().map(ToString::to_string).collect();
        if ["SpinLock::new", "PageLock::new", "RwSem::new"].contains(&path.as_str()) {
            names.push(first_string(group.stream()).expect("a lock has a name"));
        }
        constructions(group.stream(), names);
    }
}

fn first_string(tokens: TokenStream) -> Option<String> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Literal(literal) => string(&literal),
        TokenTree::Group(group) => first_string(group.stream()),
        _ => None,
    })
}

fn string(literal: &proc_macro2::Literal) -> Option<String> {
    syn::parse_str::<syn::LitStr>(&literal.to_string()).ok().map(|literal| literal.value())
}

/// What a doc comment says of a name: (name, text), in the order in which they stand.
pub type Docs = Vec<(String, String)>;

/// The doc comments in `rules! { … }`: those of rules under `rule`, those of arms under `rule=arm`.
pub fn rule_docs() -> Docs {
    let file = parse("src/spec/rules.rs");
    let body = file.items.iter().find_map(|item| match item {
        syn::Item::Macro(item) if item.mac.path.is_ident("rules") => Some(item.mac.tokens.clone()),
        _ => None,
    });
    let mut docs = Docs::new();
    let mut doc = Vec::new();
    let mut rule = String::new();
    for token in body.expect("rules! { … } is there") {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => doc.extend(doc_line(group.stream())),
            TokenTree::Ident(ident) if rule.is_empty() => {
                rule = ident.to_string();
                docs.push((rule.clone(), joined(&mut doc)));
            }
            TokenTree::Group(group) => {
                arm_docs(&rule, group.stream(), &mut docs);
                rule.clear();
            }
            _ => {}
        }
    }
    docs
}

fn arm_docs(rule: &str, arms: TokenStream, docs: &mut Docs) {
    let mut doc = Vec::new();
    for token in arms {
        match token {
            TokenTree::Group(group) => doc.extend(doc_line(group.stream())),
            TokenTree::Literal(name) => {
                docs.push((format!("{rule}={}", string(&name).expect("an arm's name is a string")), joined(&mut doc)));
            }
            _ => {}
        }
    }
}

fn doc_line(attribute: TokenStream) -> Option<String> {
    first_string(attribute)
}

fn joined(doc: &mut Vec<String>) -> String {
    std::mem::take(doc).iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// The doc comments of the protocols in `impl Era`, by name.
pub fn era_docs() -> Docs {
    struct Eras(Docs);
    impl<'ast> Visit<'ast> for Eras {
        fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
            let mut doc: Vec<_> = item.attrs.iter().filter_map(|attribute| doc_line(attribute.meta.to_token_stream())).collect();
            if let Some(name) = first_string(item.expr.to_token_stream()) {
                self.0.push((name, joined(&mut doc)));
            }
        }
    }
    let mut eras = Eras(Docs::new());
    eras.visit_file(&parse("src/spec/protocol.rs"));
    eras.0
}

/// The fields of `Rules` that `src/mm` looks at.
pub fn consulted_rules(rules: &[&str]) -> Vec<String> {
    let text: String = files("src/mm", &[".rs"]).iter().map(|file| parse(file).into_token_stream().to_string()).collect();
    rules.iter().filter(|rule| text.contains(&format!("rules () . {rule}"))).map(|rule| (*rule).to_owned()).collect()
}
