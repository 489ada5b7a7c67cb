//! Lives: the states that an entry, a slot, a page, an anon_vma, an anonmm and what the host knows
//! of a page go through, as it is told by what CPUs read, store and note.

use std::collections::HashMap;

use lockwalk::sync::Taken;
use lockwalk::witness::StepKind;

/// From which state to which.
pub type Change = (&'static str, &'static str);

/// What somebody does by them has somebody else done: they are not who makes a change.
pub const MEANS: [&str; 14] = [
    "__put_anon_vma",
    "alloc_page",
    "anon_vma_alloc",
    "anon_vma_free",
    "anonmm_free",
    "anonmm_put",
    "free_head",
    "free_page",
    "leave_bundle",
    "put_anon_vma",
    "put_page",
    "put_page_refs",
    "set_has_cache",
    "set_pte",
];

/// A count of an anonmm has changed: only where, says what that means.
const COUNTED: Change = ("counted", "counted");

/// What a change is, if this function has made it.
pub fn meant(change: Change, function: Option<&str>) -> Option<Change> {
    match (change, function) {
        (COUNTED, Some("dup_rmap")) => Some(("free", "living")),
        (COUNTED, Some("exit_rmap")) => Some(("living", "extinct")),
        (COUNTED, _) => None,
        _ => Some(change),
    }
}

/// What is known of a page.
#[derive(Clone, Copy, Default)]
struct Page {
    mapped: Option<bool>,
    cached: Option<bool>,
}

/// What is known of everything, in one execution, by name.
#[derive(Default)]
pub struct Lives {
    states: HashMap<String, &'static str>,
    pages: HashMap<String, Page>,
}

impl Lives {
    /// The change of which a step or a note tells, and in which life it is one.
    pub fn follow(&mut self, taken: &Taken<'_>) -> Option<(&'static str, Change)> {
        let Some(object) = taken.object else { return self.noted(taken.text) };
        let (class, stored) = (object.class(), taken.kind == StepKind::Store);
        if class == "anonmm#.count" && stored {
            return Some(("anonmm", COUNTED));
        }
        let (name, value) =
            [" := ", " is ", " += "].iter().find_map(|between| taken.text.split_once(between))?;
        let change = match &*class {
            "P.mapcount" | "P.swapcache" => self.of_page(name, value),
            // The VMA goes onto its list, too.
            "vma.anon_vma" => {
                let list = format!("anon_vma{value}");
                let new = self.states.get(&list) == Some(&"new");
                new.then(|| self.becomes("anon_vma", &list, "listed", None)).flatten()
            }
            _ => {
                let (life, now) = state(&class, value)?;
                // An entry that nobody has looked at is the nothing of a new page table.
                let new = (life == "page-table entry").then_some("none");
                let change = self.becomes(life, name, now, new);
                if now == "unused" {
                    self.states.remove(name); // who allocates the frame again takes no step for it
                }
                change
            }
        };
        change.filter(|_| stored)
    }

    /// It is in this state now; before, if nothing else is known, it was `assumed`.
    fn becomes(
        &mut self,
        life: &'static str,
        name: &str,
        now: &'static str,
        assumed: Option<&'static str>,
    ) -> Option<(&'static str, Change)> {
        let before = self.states.insert(name.to_owned(), now).or(assumed)?;
        (before != now).then_some((life, (before, now)))
    }

    fn of_page(&mut self, word: &str, value: &str) -> Option<(&'static str, Change)> {
        let (name, field) = word.split_once('.')?;
        let page = self.pages.entry(name.to_owned()).or_default();
        match field {
            "mapcount" => page.mapped = Some(value != "0"),
            _ => page.cached = Some(value == "true"),
        }
        let now = match (page.mapped?, page.cached?) {
            (false, false) => "in_hand",
            (true, false) => "mapped",
            (true, true) => "mapped_and_cached",
            (false, true) => "cached",
        };
        self.becomes("page", name, now, None)
    }

    fn noted(&mut self, text: &str) -> Option<(&'static str, Change)> {
        // Which of its lives it is, does not matter.
        match text.replace('′', "").split([' ', ',']).collect::<Vec<_>>()[..] {
            ["alloc_page()", "=", page] if page != "NULL" => {
                let new = Page { mapped: Some(false), cached: Some(false) };
                self.pages.insert(page.to_owned(), new);
                self.becomes("page", page, "in_hand", Some("free"))
            }
            ["free", page] if page.starts_with('P') => self.becomes("page", page, "free", None),
            ["allocate", new, ..] => self.becomes("anon_vma", new, "new", Some("free")),
            ["free", gone] if gone.starts_with("anon_vma#") => {
                self.becomes("anon_vma", gone, "free", None)
            }
            [_, "joins", "the", "list", "of", list] => {
                self.becomes("anon_vma", list, "listed", None)
            }
            [_, "leaves", "the", "list", "of", list, "", "the", "last", "one"] => {
                self.becomes("anon_vma", list, "empty", Some("listed"))
            }
            ["free", gone] if gone.starts_with("anonmm#") => {
                self.becomes("anonmm", gone, "free", Some("extinct"))
            }
            _ => None,
        }
    }
}

/// What something is whose value tells its state, and in which life that is one.
fn state(class: &str, value: &str) -> Option<(&'static str, &'static str)> {
    match class {
        "pte[mm:]" => Some((
            "page-table entry",
            match value {
                "none" => "none",
                _ if value.starts_with("mig(") => "migration",
                _ if value.starts_with("swap(") => "swap",
                _ if value.contains(" rw") => "writable",
                _ if value.contains(" ro") => "read_only",
                _ => return None, // that it is flushed does not say what is there
            },
        )),
        "P.host" => Some((
            "host",
            match value.split(", ").collect::<Vec<_>>()[..] {
                ["unused", ..] => "unused",
                [.., "discarded"] => "discarded",
                ["stable", ..] => "stable",
                _ => "volatile",
            },
        )),
        "swap().has_cache" => Some((
            "swap cache claim",
            match value {
                "0" => "none",
                "1" => "on_its_way",
                _ => "cached",
            },
        )),
        _ => None,
    }
}
