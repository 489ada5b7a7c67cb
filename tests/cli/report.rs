//! `lockwalk report`: a site that hangs together, and steps when keys are pressed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::{directory, good, refused, run};

/// A violation and its fix, a deadlock, a livelock, and what holds.
const RACES: &str = "=S3.1 =S3.3 =S3.4 =S3.9";

/// One page is no more than this.
const MOST: usize = 100_000;

static SITE: LazyLock<PathBuf> = LazyLock::new(|| {
    let site = directory("report");
    let (said, progress) = run(&format!("report {RACES} --output {}", site.display()), 0);
    assert!(said.contains(" pages in ") && said.ends_with("index.html\n"), "{said}");
    assert!(progress.contains(" verdicts known"), "{progress}");
    site
});

fn read(name: &str) -> String {
    fs::read_to_string(SITE.join(name)).expect("the site has it")
}

fn names() -> BTreeSet<String> {
    let names = fs::read_dir(&*SITE).expect("a directory").map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    names.collect()
}

#[test]
fn a_report_has_a_page_for_each_race_and_violation() {
    let names = names();
    let races = lockwalk::races::all();
    for race in races.iter().filter(|race| ["S3.1", "S3.3", "S3.4", "S3.9"].contains(&race.id())) {
        let page = read(&format!("{}.html", race.id()));
        assert!(page.contains(&escaped(race.title())), "{}", race.id());
        for (protocol, documented) in race.cases() {
            assert!(page.contains(&protocol.to_string()), "{} says nothing of {protocol}", race.id());
            let file = format!("{}-under-{}", race.id(), protocol.to_string().replace('=', ".").replace('+', "_"));
            let violated = *documented != lockwalk::Documented::Holds;
            assert_eq!(names.contains(&format!("{file}.html")), violated, "{file}");
            assert_eq!(names.contains(&format!("{file}.svg")), violated, "{file}");
        }
    }
    let listed = read("files.txt");
    assert_eq!(listed.lines().map(str::to_owned).collect::<BTreeSet<_>>(), names, "and nothing else");
    let index = read("index.html");
    for part in ["S3.1-under-2.6.34.html", "✗ MIG-1", "✓", "Lock order", "<td class=bad>"] {
        assert!(index.contains(part), "{part}");
    }
    let locks = read("locks.html");
    assert!(locks.contains(">mmap_sem(mm)</text>") && locks.contains("<path d="), "{locks}");
    let claim = lockwalk::spec::Claim::of("S3.1").expect("it is one");
    assert!(read("S3.1.html").contains(&escaped(claim.says)), "the claim's sentence");
    assert!(read("S3.1-under-2.6.34.html").contains("data-key=\"twin\""), "the fix beside it");
}

/// As it stands in a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[test]
fn pages_are_small_and_well_formed_and_need_nothing_else() {
    for name in names().iter().filter(|name| name.ends_with(".html")) {
        let page = read(name);
        assert!(page.len() < MOST, "{name} has {} bytes", page.len());
        well_formed(name, &page);
        let (links, ids) = (attributes(&page, &["href", "src"]), attributes(&page, &["id"]));
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{name}: an id is there twice");
        for link in links {
            assert!(!link.contains(':') && !link.starts_with('/'), "{name} leads out of the site: {link}");
            assert!(SITE.join(&link).is_file(), "{name}: {link} leads nowhere");
        }
        let fetches = page.contains("@import") || page.replace("url(#", "").contains("url(");
        assert!(!fetches, "{name} fetches something");
    }
}

/// Every element is closed, in order, but for cells and rows, which end where the next one begins; and no text has a character that means something.
fn well_formed(name: &str, page: &str) {
    const VOID: [&str; 5] = ["meta", "link", "img", "input", "br"];
    const CELLS: [&str; 2] = ["td", "th"];
    let ends = |open: &mut Vec<&str>, which: &[&str]| {
        if open.last().is_some_and(|element| which.contains(element)) {
            open.pop();
        }
    };
    let (mut rest, mut open) = (page.strip_prefix("<!DOCTYPE html>").expect("it is HTML"), Vec::new());
    while let Some((text, tag)) = rest.split_once('<') {
        assert!(!text.contains('>'), "{name}: unescaped: {text}");
        let (tag, behind) = tag.split_once('>').expect("every tag ends");
        assert_eq!(tag.matches('"').count() % 2, 0, "{name}: <{tag}>");
        rest = behind;
        let element = tag.split([' ', '\n']).next().unwrap_or_default();
        match element.strip_prefix('/') {
            Some(element) => {
                if element == "tr" || element == "tbody" {
                    ends(&mut open, &CELLS);
                }
                if element == "tbody" {
                    ends(&mut open, &["tr"]);
                }
                assert_eq!(open.pop(), Some(element), "{name}: </{element}>");
            }
            None if VOID.contains(&element) || tag.ends_with('/') => {}
            None if ["script", "style"].contains(&element) => {
                // Whatever is in it ends with its own end.
                rest = rest.split_once(&format!("</{element}>")).unwrap_or_else(|| panic!("{name}: {element} has no end")).1;
            }
            None => {
                if CELLS.contains(&element) || element == "tr" {
                    ends(&mut open, &CELLS);
                }
                if element == "tr" {
                    ends(&mut open, &["tr"]);
                }
                open.push(element);
            }
        }
    }
    assert!(open.is_empty(), "{name}: {open:?}");
}

/// The values of attributes, outside of scripts.
fn attributes(page: &str, names: &[&str]) -> Vec<String> {
    let code = page
        .split("<script type")
        .map(|part| part.split_once("</script>").filter(|_| part.starts_with('=')).map_or(part, |(_, rest)| rest))
        .collect::<String>();
    let of = |name: &&str| {
        let begin = format!(" {name}=\"");
        let values = code.split(&begin).skip(1);
        values.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect::<Vec<_>>()
    };
    names.iter().flat_map(of).collect()
}

#[test]
fn only_what_a_report_has_written_is_written_over() {
    let site = directory("report-again");
    let report = format!("report =S3.9 --output {}", site.display());
    fs::write(site.join("index.html"), "somebody's").expect("writable");
    let started = Instant::now();
    let said = refused(&report);
    assert!(said.ends_with("index.html: no report has written what is there"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(5), "that is known before any work is done");
    assert_eq!(fs::read_dir(&site).expect("a directory").count(), 1);
    fs::remove_file(site.join("index.html")).expect("it is ours");
    fs::write(site.join("notes.txt"), "somebody's").expect("writable");
    run(&report, 0);
    fs::write(site.join("index.html"), "changed").expect("writable");
    run(&report, 0);
    assert!(fs::read_to_string(site.join("index.html")).expect("still there").starts_with("<!DOCTYPE html>"));
    assert_eq!(fs::read_to_string(site.join("notes.txt")).expect("still there"), "somebody's");
    assert_eq!(refused("report S3.9 --output -"), "error: cannot make -: it is standard output, and a report needs a directory");
    assert!(good("report --help").contains("#step=7"));
}

/// What a page looks like after the script has run; with `act` as one more script at its end.
fn in_chromium(page: &Path, link: &str, act: &str) -> Option<String> {
    let chromium = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    });
    let Some(chromium) = chromium else {
        println!("skipped: there is no chromium here");
        return None;
    };
    let text = fs::read_to_string(page).expect("the page").replace("</body>", &format!("<script>\n{act}\n</script></body>"));
    let name = page.file_name().expect("a name").to_string_lossy();
    let copy = directory(&format!("report-acting-{name}"));
    for name in names() {
        fs::copy(SITE.join(&name), copy.join(&name)).expect("writable");
    }
    let acting = copy.join(&*name);
    fs::write(&acting, text).expect("writable");
    let profile = directory(&format!("report-chromium-{name}"));
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}{link}", acting.display()))
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

/// A key moves the interleaving on, and the link with it; a link leads to its step.
#[test]
fn keys_step_through_the_interleaving() {
    let page = SITE.join("S3.1-under-2.6.34.html");
    let act = "
        const told = [];
        const tell = () => told.push(`${location.hash} ${document.querySelector('tr.current .n')?.textContent}`);
        const press = (key) => { document.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })); tell(); };
        tell();
        ['ArrowRight', 'ArrowRight', 'ArrowLeft', 'PageDown', 'PageUp', 'Home', 'End'].forEach(press);
        const memory = document.querySelector('.memory').textContent;
        document.body.replaceChildren(`told: ${told.join(', ')}; memory: ${memory};`);";
    let Some(dom) = in_chromium(&page, "#step=73", act) else { return };
    let told = dom.split("told: ").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or_else(|| panic!("the script has failed: {dom}"));
    let steps: Vec<_> = told.split(", ").collect();
    let replayed = lockwalk::races::all().into_iter().find(|race| race.id() == "S3.1").expect("it is there");
    assert!(replayed.title().contains("vma_adjust"));
    let (first, last) = (steps[0], steps[steps.len() - 1]);
    assert_eq!(first, "#step=73 73");
    assert_eq!(steps[1..4], ["#step=74 74", "#step=76 76", "#step=74 74"], "the story leaves out a load: {told}");
    assert_eq!(steps[5..7], ["#step=73 73", "#step=0 undefined"], "back to the switch, and to the beginning: {told}");
    assert!(last == "#step=89 89" && steps[4] == last, "no switch is left, and the end is the end: {told}");
    assert!(dom.contains("mig(P0 rw)"), "the migration entry that nobody has found: {dom}");
}

#[test]
fn the_index_can_be_filtered() {
    let act = "
        {
            const shown = () => rows.filter((row) => !row.hidden).length;
            const all = shown();
            words.value = 'nested anon_vma';
            words.dispatchEvent(new Event('input'));
            document.body.replaceChildren(`told: ${all} ${shown()} ${count.textContent};`);
        }";
    let Some(dom) = in_chromium(&SITE.join("index.html"), "", act) else { return };
    assert!(dom.contains("told: 4 1 1 of 4 races;"), "{dom}");
}
