//! `lockwalk report`: a site that hangs together, and steps when keys are pressed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use lockwalk::spec::Claim;
use lockwalk::witness::report::{self, Entry, Site};
use lockwalk::witness::{Count, Coverage, StepKind};
use lockwalk::{Documented, Era, Part, Race, races};

use super::{directory, good, refused, run, witness};

/// A violation and its fix, a deadlock, a livelock, what holds, and what is wrong when all have
/// ended.
const RACES: &str = "=S3.1 =S3.3 =S3.4 =S3.9 =S0.6/left";

/// One page is no more than this.
const MOST: usize = 100_000;

/// The index takes no more for each case, the texts of the claims among it.
const A_CASE: usize = 80;

static SITE: LazyLock<PathBuf> = LazyLock::new(|| {
    let site = directory("report");
    let (said, progress) = run(&format!("report {RACES} --output {}", site.display()), 0);
    assert!(said.contains(" pages in ") && said.ends_with("index.html\n"), "{said}");
    assert!(progress.contains(" cases explored"), "{progress}");
    site
});

fn read(name: &str) -> String {
    fs::read_to_string(SITE.join(name)).expect("the site has it")
}

fn names() -> BTreeSet<String> {
    let names = fs::read_dir(&*SITE)
        .expect("a directory")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    names.collect()
}

#[test]
fn a_report_has_a_page_for_each_race_and_violation() {
    let names = names();
    for race in
        races::all().iter().filter(|race| RACES.split(' ').any(|asked| &asked[1..] == race.id()))
    {
        let id = race.id().replace('/', "_");
        let page = read(&format!("{id}.html"));
        assert!(page.contains(&escaped(race.title())), "{}", race.id());
        for (protocol, documented) in race.cases() {
            assert!(
                page.contains(&protocol.to_string()),
                "{} says nothing of {protocol}",
                race.id()
            );
            let file =
                format!("{id}-under-{}", protocol.to_string().replace('=', ".").replace('+', "_"));
            let violated = *documented != Documented::Holds;
            assert_eq!(names.contains(&format!("{file}.html")), violated, "{file}");
            assert_eq!(names.contains(&format!("{file}.svg")), violated, "{file}");
            if violated {
                let page = read(&format!("{file}.html"));
                let (steppers, pictures) = (
                    page.matches("<section class=\"stepper\"").count(),
                    page.matches("<noscript><div class=\"picture\">").count(),
                );
                assert!(
                    steppers == pictures && steppers > 0,
                    "{file}: without a script there is a picture of each"
                );
            }
        }
    }
    let listed = read("files.txt");
    assert_eq!(
        listed.lines().map(str::to_owned).collect::<BTreeSet<_>>(),
        names,
        "and nothing else"
    );
    let index = read("index.html");
    for part in ["S3.1-under-2.6.34.html", "✗ MIG-1", "✓", "Lock order", "<td class=bad>"] {
        assert!(index.contains(part), "{part}");
    }
    let locks = read("locks.html");
    assert!(locks.contains(">mmap_sem(mm)</text>") && locks.contains("<path d="), "{locks}");
    let claim = Claim::of("S3.1").expect("it is one");
    assert!(read("S3.1.html").contains(&escaped(claim.says)), "the claim's sentence");
    assert!(read("S3.1-under-2.6.34.html").contains("data-key=\"twin\""), "the fix beside it");
}

/// A directory that was not there is not there when nothing is written.
#[test]
fn what_is_refused_leaves_no_directory() {
    let elsewhere = directory("report-refused");
    let site = elsewhere.join("some/where").display().to_string();
    let (_, said) = run(&format!("report =S3.1 --protocol rmap-10 --output {site}"), 2);
    assert!(said.contains("not applicable: "), "{said}");
    assert_eq!(fs::read_dir(&elsewhere).expect("a directory").count(), 0);
    run(&format!("report =S3.1 --executions 5 --output {site}"), 3);
    assert!(elsewhere.join("some/where/index.html").is_file());
}

/// As it stands in a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[test]
fn pages_are_small_and_well_formed_and_need_nothing_else() {
    for name in names().iter().filter(|name| name.ends_with(".html")) {
        let page = read(name);
        assert!(page.len() < MOST, "{name} has {} bytes", page.len());
        well_formed(name, &page);
        let (links, ids) = (attributes(&page, &["href", "src"]), attributes(&page, &["id"]));
        assert_eq!(
            ids.iter().collect::<BTreeSet<_>>().len(),
            ids.len(),
            "{name}: an id is there twice"
        );
        for link in links {
            assert!(
                !link.contains(':') && !link.starts_with('/'),
                "{name} leads out of the site: {link}"
            );
            let (file, place) = link.split_once('#').unwrap_or((&link, ""));
            let file = if file.is_empty() { name } else { file };
            assert!(SITE.join(file).is_file(), "{name}: {link} leads nowhere");
            assert!(
                place.is_empty() || attributes(&read(file), &["id"]).iter().any(|id| id == place),
                "{name}: {link} leads nowhere"
            );
        }
        let fetches = page.contains("@import") || page.replace("url(#", "").contains("url(");
        assert!(!fetches, "{name} fetches something");
    }
}

/// The index of the whole catalogue, if every verdict is the documented one: nothing is explored
/// for it.
fn whole_index() -> String {
    let shown = witness("explain =S3.3 --format json").expect("a deadlock");
    let outcome = |race: &Race, protocol: &_, documented: Documented| {
        let clause = documented.clause().map(|clause| clause.id());
        let violations = clause.map(|clause| Count::new(clause, 1)).into_iter().collect();
        let mut outcome = Part::new(race, protocol, None).outcome();
        outcome.coverage = Coverage::Exhaustive;
        outcome.executions = 1;
        outcome.violations = violations;
        outcome.witness = clause.map(|_| shown.clone());
        outcome
    };
    let entry = |race: &Race| Entry {
        id: race.id().into(),
        title: race.title().into(),
        claim: Claim::of(race.id()).map(|claim| claim.id.to_owned()),
        outcomes: race
            .cases()
            .iter()
            .map(|(protocol, documented)| outcome(race, protocol, *documented))
            .collect(),
        twins: Vec::new(),
    };
    let claim = |claim: &Claim| report::Claim {
        id: claim.id.into(),
        says: claim.says.into(),
        source: claim.source.into(),
    };
    let site = Site {
        kernels: Era::all().iter().map(ToString::to_string).collect(),
        claims: Claim::ALL.iter().map(claim).collect(),
        races: races::all().iter().map(entry).collect(),
        ..Site::default()
    };
    site.files().into_iter().find(|file| file.name == "index.html").expect("there is one").text
}

/// A row for each claim, and its races below it, all of which one page must hold.
#[test]
fn the_index_of_the_whole_catalogue_is_small() {
    let index = whole_index();
    let cases: usize = races::all().iter().map(|race| race.cases().len()).sum();
    assert!(index.len() < cases * A_CASE, "it has {} bytes for {cases} cases", index.len());
    well_formed("index.html", &index);
    let (ids, links) = (attributes(&index, &["id"]), attributes(&index, &["href"]));
    for claim in Claim::ALL {
        assert!(
            ids.iter().any(|id| id == claim.id) && index.contains(&escaped(claim.says)),
            "{} has no row",
            claim.id
        );
    }
    for race in races::all() {
        let page = format!("{}.html", race.id().replace('/', "_"));
        assert!(links.contains(&page), "{page} is not linked");
    }
}

/// Every element is closed, in order, but for cells and rows, which end where the next one begins;
/// and no text has a character that means something.
fn well_formed(name: &str, page: &str) {
    const VOID: [&str; 5] = ["meta", "link", "img", "input", "br"];
    const CELLS: [&str; 2] = ["td", "th"];
    let ends = |open: &mut Vec<&str>, which: &[&str]| {
        if open.last().is_some_and(|element| which.contains(element)) {
            open.pop();
        }
    };
    let (mut rest, mut open) =
        (page.strip_prefix("<!DOCTYPE html>").expect("it is HTML"), Vec::new());
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
                rest = rest
                    .split_once(&format!("</{element}>"))
                    .unwrap_or_else(|| panic!("{name}: {element} has no end"))
                    .1;
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
        .map(|part| {
            part.split_once("</script>")
                .filter(|_| part.starts_with('='))
                .map_or(part, |(_, rest)| rest)
        })
        .collect::<String>();
    let of = |name: &&str| {
        let begin = format!(" {name}=");
        let value = |rest: &str| {
            rest.strip_prefix('"')
                .map_or(rest.split('>').next(), |rest| rest.split('"').next())
                .map(str::to_owned)
        };
        code.split(&begin).skip(1).filter_map(value).collect::<Vec<_>>()
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
    assert!(
        fs::read_to_string(site.join("index.html"))
            .expect("still there")
            .starts_with("<!DOCTYPE html>")
    );
    assert_eq!(fs::read_to_string(site.join("notes.txt")).expect("still there"), "somebody's");
    assert_eq!(
        refused("report S3.9 --output -"),
        "error: cannot make -: it is standard output, and a report needs a directory"
    );
    assert!(good("report --help").contains("#step=7"));
}

/// What a page looks like after the script has run; with `act` as one more script at its end.
fn in_chromium(page: &Path, link: &str, act: &str) -> Option<String> {
    let chromium = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        let found = Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        found.is_ok_and(|status| status.success())
    });
    let Some(chromium) = chromium else {
        // Not to what the test says, which nobody sees when it succeeds.
        let _ = writeln!(
            io::stderr(),
            "skipped: there is no chromium here, and no page was looked at in a browser"
        );
        return None;
    };
    let text = fs::read_to_string(page)
        .expect("the page")
        .replace("</body>", &format!("<script>\n{act}\n</script></body>"));
    let name = page.file_name().expect("a name").to_string_lossy();
    let copy = directory(&format!("report-acting-{name}"));
    for name in names() {
        fs::copy(SITE.join(&name), copy.join(&name)).expect("writable");
    }
    let acting = copy.join(&*name);
    fs::write(&acting, text).expect("writable");
    let profile = directory(&format!("report-chromium-{name}"));
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=2000",
            "--dump-dom",
        ])
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
        const tell = () => told.push(`${location.hash} ${document.querySelector('tr.current \
               .n')?.textContent}`);
        const press = (key) => { document.dispatchEvent(new KeyboardEvent('keydown', { key, \
               bubbles: true })); tell(); };
        tell();
        ['ArrowRight', 'ArrowRight', 'ArrowLeft', 'PageDown', 'PageUp', 'Home', \
               'End'].forEach(press);
        const memory = document.querySelector('.memory').textContent;
        document.body.replaceChildren(`told: ${told.join(', ')}; memory: ${memory};`);";
    let shown = witness("explain =S3.1 --protocol 2.6.34 --format json").expect("it is violated");
    let steps = &shown.steps;
    let switch =
        (1..steps.len()).rfind(|&n| steps[n - 1].cpu != steps[n].cpu).expect("another CPU");
    let mut changes =
        steps.iter().flat_map(|step| &step.now).filter_map(|now| now.strip_prefix("pte[mm0:4]"));
    let stays = changes
        .next_back()
        .and_then(|change| change.rsplit(['→', '=']).next())
        .expect("the entry that nobody has found")
        .trim();
    let Some(dom) = in_chromium(&page, &format!("#step={switch}"), act) else { return };
    let told = dom
        .split("told: ")
        .nth(1)
        .and_then(|rest| rest.split(';').next())
        .unwrap_or_else(|| panic!("the script has failed: {dom}"));
    let told: Vec<_> = told.split(", ").collect();
    let at = |step: usize| format!("#step={step} {step}");
    assert!(
        steps[switch + 1].kind == StepKind::Load && steps[switch + 1].now.is_empty(),
        "of the next three steps, the story leaves out the second"
    );
    let (first, end) = (at(switch), at(steps.len()));
    assert_eq!(told[..4], [first.clone(), at(switch + 1), at(switch + 3), at(switch + 1)]);
    assert_eq!(
        told[4..],
        [end.clone(), first, "#step=0 undefined".into(), end],
        "to the end, the switch, the beginning, and the end"
    );
    let memory = dom.split("memory: ").nth(1).unwrap_or_default();
    assert!(memory.contains(stays), "{stays} is not in {memory}");
}

/// What is wrong when all have ended has a row of its own, behind the last step, and is nobody's.
#[test]
fn what_is_found_at_the_end_is_no_step() {
    let shown = witness("explain =S0.6/left --protocol 5.9 --format json").expect("it is violated");
    let act = "
        {
            const told = [];
            const tell = () => {
                const row = document.querySelector('tr.current');
                told.push(`${row.cells[0].textContent}: ${row.cells[1].textContent} \
                   ${row.classList.contains('bad')}`);
            };
            const press = (key) => document.dispatchEvent(new KeyboardEvent('keydown', { key }));
            tell();
            told.push(document.querySelector('output').textContent);
            told.push(document.querySelector('.memory').dataset.at);
            press('ArrowLeft');
            tell();
            press('PageDown');
            document.body.replaceChildren(`told: ${told.join(', ')}, ${location.hash};`);
        }";
    let steps = shown.steps.len();
    let link = format!("#step={}", steps + 1);
    let page = SITE.join("S0.6_left-under-5.9.html");
    let Some(dom) = in_chromium(&page, &link, act) else { return };
    let (last, found) = (&shown.steps[steps - 1].text, &shown.what);
    let told = format!(
        "told: end: all CPUs have ended: RACE-1: {found} true, all CPUs have ended · ✗ RACE-1: \
         {found}, all CPUs have ended, {steps}: {last} false, {link};"
    );
    assert!(dom.contains(&told), "{told}: {dom}");
}

#[test]
fn the_index_can_be_filtered() {
    let act = "
        {
            const seen = (element) => getComputedStyle(element).display !== 'none';
            const shown = () => groups.filter(seen).length;
            const all = shown();
            words.value = 'mm_take_all_locks';
            words.dispatchEvent(new Event('input'));
            const found = `${shown()} ${count.textContent}`;
            words.value = '';
            const under = [...verdict.options].map((option) => { verdict.value = option.value; \
               show(); return shown(); });
            const filters = document.querySelector('.filters');
            const told = `${all}, ${found}, ${under}, ${seen(filters)}`;
            filters.hidden = true;
            document.body.replaceChildren(`told: ${told} ${seen(filters)};`);
        }";
    let Some(dom) = in_chromium(&SITE.join("index.html"), "", act) else { return };
    assert!(
        dom.contains("told: 5, 1 1 of 5, 5,4,5,0, true false;"),
        "S3.9 violates nothing, and what is hidden is not seen: {dom}"
    );
}
