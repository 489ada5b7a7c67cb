//! What this program is called.

use std::sync::OnceLock;

static PROGRAM: OnceLock<String> = OnceLock::new();

/// The command that somebody has typed, where it has the commands of `lockwalk`: it stands in what
/// tells people what to type next.
pub fn program() -> &'static str {
    PROGRAM.get().map_or("lockwalk", String::as_str)
}

/// The first name stays.
#[cfg(feature = "cli")]
pub fn program_is(name: String) {
    let _ = PROGRAM.set(name);
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_takes_a_quoted_word_as_one() {
        for (word, as_typed) in [
            ("S3.1/split", "S3.1/split"),
            ("2.6.34+anon_vma_life=nothing", "2.6.34+anon_vma_life=nothing"),
            ("my race", "'my race'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), as_typed);
        }
    }
}
