//! What is cut, and what is not.

use lockwalk_source::{Choices, Sources};

/// The function `f` with this body, where `wait=No`, `reuse=Count`, and what is left of its body.
#[track_caller]
fn check(body: &str, left: &str) {
    let indented =
        |body: &str| body.lines().map(|line| format!("        {line}\n")).collect::<String>();
    let file = format!(
        "impl World {{\n    /// Says whether.\n    fn f(&self) -> u8 {{\n{}    }}\n\n    fn \
         waits(&self) -> bool {{\n        self.rules().wait != Wait::No\n    }}\n}}\n",
        indented(body)
    );
    let sources = Sources::new([("src/mm/f.rs", &*file)]).expect("it is Rust");
    let choices = Choices::from([("wait", ("Wait", "No")), ("reuse", ("Reuse", "Count"))]);
    let [reading] = &sources.under(&choices, "f")[..] else { panic!("one function") };
    let lines: Vec<_> = reading.text.lines().collect();
    let inside: String = lines[2..lines.len() - 1]
        .iter()
        .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
        .collect();
    assert_eq!((reading.place.as_str(), inside.trim_end()), ("src/mm/f.rs:2", left.trim_end()));
}

#[test]
fn a_condition_that_is_decided_leaves_its_branch() {
    check(
        "if self.rules().wait == Wait::No {\n    a(); // why\n    b();\n}\nc()",
        "a(); // why\nb();\nc()",
    );
    check("// Why it waits.\nif self.rules().wait != Wait::No {\n    a();\n}\nc()", "c()");
    check(
        "if self.waits() {\n    a()\n} else if x() {\n    b()\n} else {\n    c()\n}",
        "if x() {\n    b()\n} else {\n    c()\n}",
    );
    check(
        "if x() {\n    a()\n} else if self.waits() {\n    b()\n} else {\n    c()\n}",
        "if x() {\n    a()\n} else {\n    c()\n}",
    );
    check(
        "if x() {\n    a();\n} else if self.waits() {\n    b();\n}\nc()",
        "if x() {\n    a();\n}\nc()",
    );
    check("let n = if self.waits() { 1 } else { 2 };\nn", "let n = 2;\nn");
    check("while self.waits() && x() {\n    a();\n}\nb()", "b()");
}

#[test]
fn a_match_leaves_its_arm() {
    check(
        "match self.rules().reuse {\n    Reuse::Always => a(),\n    Count | Never => b(),\n}",
        "b()",
    );
    check("match self.rules().reuse {\n    Reuse::Always => a(),\n    _ => {}\n}\nc()", "c()");
    check(
        "match self.rules().reuse {\n    Reuse::Count if self.waits() => a(),\n    Reuse::Count \
         => {\n        b();\n        c();\n    }\n    _ => d(),\n}\n0",
        "b();\nc();\n0",
    );
    check(
        "match self.rules().reuse {\n    Reuse::Count if x() => a(),\n    _ => b(),\n}",
        "if x() { a() } else { b() }",
    );
    check(
        "let n = match self.rules().reuse {\n    _ if y => None,\n    // Why.\n    Reuse::Count => \
         None,\n    Reuse::Never => a(),\n};\nb(n)",
        "b(None)",
    );
    check(
        "match x() {\n    Some(n) if self.waits() => a(n),\n    Some(n) if !self.waits() => b(n),\n    \
         _ => c(),\n}",
        "match x() {\n    Some(n) => b(n),\n    _ => c(),\n}",
    );
}

#[test]
fn what_is_known_goes_out_of_what_is_not() {
    check("if x() && !self.waits() {\n    a();\n}\nb()", "if x() {\n    a();\n}\nb()");
    check("(self.waits() || x()) && y()", "x() && y()");
    check(
        "let waits = self.waits();\nif waits || x() {\n    a();\n}\nb(waits)",
        "if x() {\n    a();\n}\nb(false)",
    );
    check("matches!(self.rules().reuse, Reuse::Count | Reuse::Never).then(|| a())", "Some(a())");
    check("self.waits().then(|| a())", "None");
    check(
        "let seq = self.waits().then(|| a());\nif seq.is_some_and(|seq| seq > 1) || x() {\n    \
         b();\n}\nc()",
        "if x() {\n    b();\n}\nc()",
    );
    check(
        "let seq = match self.rules().wait {\n    Wait::No => None,\n    _ => Some(a()),\n};\nif \
         let Some(seq) = seq.filter(|seq| b(seq)) {\n    c(seq);\n}\n0",
        "0",
    );
    check("Entry { waits: self.waits() }", "Entry { waits: false }");
    check("let waits = self.waits();\nEntry { waits }", "Entry { waits: false }");
    check("a(self.rules().reuse)", "a(Reuse::Count)");
}

#[test]
fn what_is_given_nothing_or_all_goes() {
    check(
        "let seq = found.filter(|_| self.waits()).map(|one| &one.seq);\nif let Some(seq) = seq \
         {\n    a(seq);\n}\n0",
        "0",
    );
    check("b(found.filter(|_| !self.waits()))", "b(found)");
    check("if found.is_some_and(|n| self.waits() && a(n)) {\n    b();\n}\n0", "0");
    check("self.waits().then_some(1).map_or(x(), |n| a(n))", "x()");
    check("self.waits().then_some(1).map_or(x() || y(), |n| a(n)) && b()", "(x() || y()) && b()");
    check("(!self.waits()).then_some(1)", "Some(1)");
    check(
        "let asks = || !self.waits() || x();\nif y() && asks() {\n    a();\n}\n0",
        "if y() {\n    a();\n}\n0",
    );
    check(
        "if !(found.is_some() && !self.waits()) {\n    a();\n}\n0",
        "if found.is_none() {\n    a();\n}\n0",
    );
}

#[test]
fn nothing_comes_behind_what_leaves() {
    check(
        "if x() {\n    if !self.waits() {\n        return 1;\n    }\n    a();\n    b();\n}\nc()",
        "if x() {\n    return 1;\n}\nc()",
    );
}

#[test]
fn where_nothing_is_found_only_the_rest_is_done() {
    check(
        "let Some(seq) = self.waits().then(|| a()) else {\n    return b();\n};\nc(seq)",
        "return b();",
    );
}

/// A step that is taken must be taken still, and a name must mean what it meant.
/// What an `if` around it has asked, need not be asked again: unless another is called the same.
#[test]
fn what_has_been_asked_is_known() {
    check(
        "let seen = x();\nif seen {\n    y(if seen { a() } else { b() });\n}\nc()",
        "let seen = x();\nif seen {\n    y(a());\n}\nc()",
    );
    for twice in [
        "let seen = z();\nif seen {\n    let seen = x();\n    if seen {\n        a();\n    }\n    y(seen);\n}\nc()",
        "let seen = x();\nif seen {\n    y(|seen: bool| if seen { a() } else { b() });\n}\nc()",
        "let mut seen = x();\nif seen {\n    seen = z();\n    y(if seen { a() } else { b() });\n}\nc()",
    ] {
        check(twice, twice);
    }
}

#[test]
fn what_does_something_stays() {
    check("self.waits();\na();\nself.waits()", "a();\nfalse");
    check("let n = x() && self.waits();\nn", "x();\nfalse");
    check("if a.read() == b || !self.waits() {\n    c();\n}\n0", "a.read();\nc();\n0");
    check("if x() && (y() && self.waits()) {\n    a();\n}\n0", "if x() {\n    y();\n}\n0");
    check("while x() && self.waits() {\n    a();\n}\n0", "x();\n0");
    check(
        "match a() {\n    1 => n |= x() || !self.waits(),\n    _ => {}\n}\n0",
        "match a() {\n    1 => {\n        x();\n        n |= true\n    },\n    _ => {}\n}\n0",
    );
    check("a(|n| x(n) && self.waits())", "a(|n| {\n    x(n);\n    false\n})");
    check(
        "let moves = start != vma.read();\nlet lock = moves || !self.waits();\na(lock)",
        "let _moves = start != vma.read();\na(true)",
    );
    check("let n = ttu == Ttu::Unmap && self.waits();\na(n)", "a(false)");
    check(
        "let waits = self.waits();\nlet waits = x(waits);\na(waits)",
        "let waits = x(false);\na(waits)",
    );
    check(
        "let waits = self.waits();\nnote!(\"{waits}\");\na(waits)",
        "let waits = false;\nnote!(\"{waits}\");\na(false)",
    );
    check(
        "if !self.waits() {\n    let held = lock();\n    a(held);\n}\nb()",
        "{\n    let held = lock();\n    a(held);\n}\nb()",
    );
    check(
        "let mut waits = self.waits();\nwhile x() {\n    a(waits);\n    waits = true;\n}\n0",
        "let mut waits = false;\nwhile x() {\n    a(waits);\n    waits = true;\n}\n0",
    );
    check(
        "let waits = self.waits();\nall.iter().any(|waits| a(waits))",
        "all.iter().any(|waits| a(waits))",
    );
}

/// A function whose steps are those of `wait=Yes`, and what is left of it where `wait=No`.
#[test]
fn a_sentence_stands_where_it_is_true() {
    let file = "impl World {
    fn f(&self) {
        // f.1: The page is looked at.
        let waits = self.rules().wait == Wait::Yes;
        self.look();
        // f.2: The page is waited for.
        if waits {
            self.wait();
        }
        // f.3: The page is locked.
        self.lock();
        // g.4: The page is read.
        self.read();
    }

    fn lock(&self) {
        self.lock_by(self.rules().wait);
    }

    fn read(&self) {
        // read.1: A function with steps says itself what it does.
        self.read_by(self.rules().wait);
    }
}
";
    let sources = Sources::new([("src/mm/f.rs", file)]).expect("it is Rust");
    let [no, yes] = ["No", "Yes"].map(|arm| Choices::from([("wait", ("Wait", arm))]));
    let told = |name, choices| {
        let told = sources.told(name, choices, |_| yes.clone()).into_iter();
        told.map(|(found, reading)| (found.name().to_owned(), reading)).collect::<Vec<_>>()
    };
    let [(_, reading)] = &told("f", &no)[..] else { panic!("one function") };
    assert_eq!(
        reading.text,
        "fn f(&self) {\n    // f.1: The page is looked at.\n    self.look();\n    self.lock();\n    // \
         g.4: The page is read.\n    self.read();\n}"
    );
    assert_eq!(reading.left_out, ["f.2", "f.3"]);
    assert_eq!(told("f", &yes)[0].1.left_out, [""; 0]);

    let found = |name| {
        let found = sources.find(name).into_iter();
        found.map(|found| (found.name().to_owned(), found.steps)).collect::<Vec<_>>()
    };
    assert_eq!(found("g"), [("f".to_owned(), vec![4])]);
    assert_eq!(found("f.3"), [("f".to_owned(), vec![1, 2, 3])]);
    assert_eq!(found("lock"), [("lock".to_owned(), vec![])]);
    assert_eq!((found("f.4"), found("f.x"), found("h")), (vec![], vec![], vec![]));
}

/// What a sentence goes on from is there as well.
#[test]
fn a_sentence_stands_where_the_one_is_that_it_rests_on() {
    let file = "impl World {
    fn f(&self) {
        // f.1: The entry is looked at, if nobody waits.
        if self.rules().wait == Wait::Yes {
            self.look();
        }
        // f.2: Otherwise the page is read.
        self.read();
        // f.3: It is locked.
        self.lock();
        // f.4: The page is mapped.
        self.map();
        // f.5: The entry is read again.
        self.look();
    }
}
";
    let sources = Sources::new([("src/mm/f.rs", file)]).expect("it is Rust");
    let [no, yes] = ["No", "Yes"].map(|arm| Choices::from([("wait", ("Wait", arm))]));
    let [(_, f)] = &sources.told("f", &no, |_| yes.clone())[..] else { panic!("one function") };
    assert_eq!(f.left_out, ["f.1", "f.2", "f.3"]);
    let left = "// f.4: The page is mapped.\n    self.map();\n    // f.5: The entry is read again.";
    assert!(f.text.contains(left), "{}", f.text);
}

/// Two protocols come by different ways; whoever asks sees the one that is taken.
#[test]
fn only_what_is_reached_is_told() {
    let file = "impl World {
    pub fn f(&self) {
        // f.1: All of it is done.
        if self.rules().wait == Wait::Yes { self.all() } else { self.each() }
    }

    fn all(&self) {
        // f.2: All at once.
        self.done();
    }

    fn each(&self) {
        self.one();
        self.done();
    }

    fn one(&self) {
        self.done();
    }

    fn done(&self) {
        x();
    }

    pub fn other(&self) {
        self.done();
    }
}
";
    let sources = Sources::new([("src/mm/f.rs", file)]).expect("it is Rust");
    let [no, yes] = ["No", "Yes"].map(|arm| Choices::from([("wait", ("Wait", arm))]));
    let told = |name, choices| {
        let told = sources.told(name, choices, |_| yes.clone()).into_iter();
        let told = told.map(|(found, reading)| {
            (found.name().to_owned(), reading.left_out.join(" "), reading.alive)
        });
        told.collect::<Vec<_>>()
    };
    let is = |name: &str, left_out: &str, alive| (name.to_owned(), left_out.to_owned(), alive);
    assert_eq!(told("f", &yes), [is("f", "", true), is("all", "", true)]);
    assert_eq!(
        told("f", &no),
        [is("f", "f.1 f.2", true), is("each", "", true), is("one", "", true)]
    );
    assert_eq!(told("all", &no), [is("all", "", false)]);
    assert_eq!(told("f.2", &no), [is("all", "", false)]);
}

/// A helper of which nothing is left is what it comes to, whatever it is given.
#[test]
fn a_helper_that_comes_to_nothing_goes() {
    let file = "impl World {
    fn f(&self, x: bool) -> bool {
        if !self.get(x) {
            return false; // too late
        }
        let Some(nested) = self.nested(x) else {
            return false;
        };
        if let Err(error) = self.dup(x) {
            return error;
        }
        if x && !a() {
            self.put(x); // and nobody knows
        }
        self.put(b());
        let left = c();
        if left || self.meets(x) {
            mark(if left { 1 } else { 2 });
            self.unlock(nested);
        }
        let done = self.dup(x);
        self.put(x);
        done.is_ok()
    }

    fn get(&self, x: bool) -> bool {
        if self.rules().wait == Wait::No {
            return true;
        }
        x
    }

    fn put(&self, x: bool) {
        if self.rules().wait != Wait::No {
            self.end(x);
        }
    }

    fn meets(&self, x: bool) -> bool {
        !self.get(x) && x
    }

    fn dup(&self, x: bool) -> Result<(), u8> {
        if self.get(x) {
            return Ok(());
        }
        self.end(x)
    }

    fn nested(&self, x: bool) -> Option<Option<u8>> {
        if self.get(x) {
            return Some(None);
        }
        self.lock()
    }
}
";
    let sources = Sources::new([("src/mm/f.rs", file)]).expect("it is Rust");
    let choices = Choices::from([("wait", ("Wait", "No"))]);
    let [f] = &sources.under(&choices, "f")[..] else { panic!("one function") };
    assert_eq!(
        f.text,
        "fn f(&self, x: bool) -> bool {
    if x {
        a();
    }
    self.put(b());
    let left = c();
    if left {
        mark(1);
        self.unlock(None);
    }
    let done = self.dup(x);
    done.is_ok()
}"
    );
}

#[test]
fn what_is_no_rust_is_said() {
    let error = Sources::new([("odd.rs", "fn f( {")]).err().expect("it is refused").to_string();
    assert!(error.starts_with("odd.rs is no Rust: "), "{error}");
}
