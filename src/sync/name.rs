//! Names of modelled objects.

/// The name of a modelled object: a pattern whose `%a` and `%b` stand for two numbers, formatted only when somebody reads it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    pattern: &'static str,
    a: u32,
    b: u32,
}

impl Name {
    /// A name with up to two numbers in it.
    pub const fn new(pattern: &'static str, a: u32, b: u32) -> Self {
        Self { pattern, a, b }
    }

    /// The lock class: the name without its numbers, as lockdep has it.
    pub fn class(&self) -> &'static str {
        self.pattern
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.pattern;
        while let Some(at) = rest.find('%') {
            f.write_str(&rest[..at])?;
            let number = if rest[at..].starts_with("%a") { self.a } else { self.b };
            write!(f, "{number}")?;
            rest = &rest[at + 2..];
        }
        f.write_str(rest)
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
