//! The sentences above statements: which say what another protocol does as well.

use std::collections::BTreeSet;
use std::ops::Range;

/// A comment that names a step, and what it comprises: up to the next one, or the end of the
/// function.
pub struct Step {
    /// Whose it is: `do_swap_page`.
    pub of: String,
    pub number: usize,
    /// The lines of the comment.
    pub lines: Range<usize>,
    /// What is behind it, without comments, spaces and braces: those of the blocks around it are not
    /// its.
    pub code: String,
    /// What it says is the other case of the step before, or goes on about the same thing.
    pub rests_on_another: bool,
}

impl Step {
    /// `do_swap_page.4`
    pub fn name(&self) -> String {
        format!("{}.{}", self.of, self.number)
    }
}

/// Whose step a name is, or the name: `do_swap_page`.
pub fn owner(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Does the first sentence need another before it? `Otherwise …`, `It …`, `… again.`
fn rests_on_another(says: &str) -> bool {
    let first = says.split(". ").next().unwrap_or(says);
    let mut words = first.split(|c: char| !c.is_alphanumeric());
    matches!(words.next(), Some("Otherwise" | "It" | "Its" | "They"))
        || words.any(|word| word == "again")
}

/// Whose step this line names, and its number: `// do_swap_page.4: Sentence.`
pub fn named(line: &str) -> Option<(&str, usize)> {
    let (name, _) = line.trim().strip_prefix("// ")?.split_once(": ")?;
    let (of, number) = name.split_once('.')?;
    let is_name = of.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    Some((of, number.parse().ok().filter(|_| is_name)?))
}

/// The steps in a function's text.
pub fn of(text: &str) -> Vec<Step> {
    let lines: Vec<&str> = text.lines().collect();
    let starts: Vec<_> = (0..lines.len()).filter(|&at| named(lines[at]).is_some()).collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    let step = |(&start, end): (&usize, usize)| {
        let (of, number) = named(lines[start]).expect("it names one");
        let sentence = lines[start..end].iter().take_while(|line| is_comment(line)).count();
        let code = code(&lines[start + sentence..end].join("\n"));
        let says = lines[start..start + sentence].iter().map(|line| line.trim_matches([' ', '/']));
        let says = says.collect::<Vec<_>>().join(" ");
        let rests_on_another =
            says.split_once(": ").is_some_and(|(_, says)| rests_on_another(says));
        let lines = start..start + sentence;
        Step { of: of.to_owned(), number, lines, code, rests_on_another }
    };
    starts.iter().zip(ends).map(step).collect()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// A text without comments, spaces and braces.
pub fn code(text: &str) -> String {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(str::chars).filter(|c| !c.is_whitespace() && !"{}".contains(*c)).collect()
}

/// The text without these lines.
pub fn without(text: &str, gone: &[Range<usize>]) -> String {
    let is_left = |at: &usize| !gone.iter().any(|lines| lines.contains(at));
    let lines = text.lines().enumerate().filter(|(at, _)| is_left(at));
    lines.map(|(_, line)| line).collect::<Vec<_>>().join("\n")
}

/// The names of what is called in this code: `.name(`, and `Self::name`, which may be called later.
pub fn called(code: &str) -> BTreeSet<&str> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let names = code.match_indices(['.', ':']).filter_map(|(at, sign)| {
        let rest = &code[at + 1..];
        let (name, behind) = rest.split_at(rest.find(|c| !word(c)).unwrap_or(rest.len()));
        let is_path = sign == ":" && code[..at].ends_with(':');
        (is_path || sign == "." && behind.starts_with('(')).then_some(name)
    });
    names.filter(|name| !name.is_empty()).collect()
}
