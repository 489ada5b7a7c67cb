//! A witness as a picture: one lane a CPU, time downwards, a bar for every held lock.

mod layout;

use std::fmt::Write;

use self::layout::{ADVANCE, Bar, LINE, Layout, PAD, Row, SWITCH};
use super::cells::wrap;
use super::paint::Paint;
use super::{Detail, prepared};
use crate::shown::Shown;
use crate::story;
use crate::{Ending, StepKind, Witness};

/// Colours there are for locks.
const COLORS: usize = 10;

/// `witness` as a self-contained SVG: no script, no reference to anything outside, light or dark as
/// the reader prefers.
///
pub fn svg(witness: &Witness, detail: Detail) -> String {
    let (witness, shown) = &prepared(witness, false, detail);
    // The lanes decide how wide it is, and so how many lines the head takes.
    let columns = (Layout::new(witness, shown, 0).width - 2 * PAD) / ADVANCE;
    let title = format!("{} · {} · protocol {}", witness.race, witness.title, witness.protocol);
    let headline = story::headline(witness);
    let mut picture = Picture { out: String::new(), y: PAD + LINE / 2, columns };
    picture.paragraph(&title, "head");
    if witness.ending == Ending::Complete {
        picture.paragraph(&headline, "dim");
    } else {
        picture.paragraph(&headline, "bad");
        picture.paragraph(&story::demand(witness), "dim");
        picture.paragraph(&story::found(witness), "dim");
    }
    if let Some(start) = shown.start() {
        picture.paragraph(&start, "now");
    }
    picture.y += PAD / 2;
    let layout = Layout::new(witness, shown, picture.y);
    let locks = story::locks(layout.bars.iter().map(|bar| &bar.hold));
    picture.lanes(&layout);
    for (from, to) in story::switches(witness, &shown.rows) {
        picture.switch(&layout, &layout.rows[from], &layout.rows[to]);
    }
    for row in &layout.rows {
        picture.row(witness, &layout, row, shown.gaps.contains(&row.step));
    }
    for bar in &layout.bars {
        picture.bar(&layout, bar, &locks);
    }
    picture.repeating(witness, &layout);
    picture.y = layout.y.end + LINE + PAD / 2;
    picture.audited(witness, &layout);
    picture.foot(witness, shown, &layout, &locks);
    picture.finish(&layout, &title, &headline)
}

/// SVG under construction.
struct Picture {
    out: String,
    /// Where the next paragraph goes.
    y: usize,
    /// Columns of text in the whole width.
    columns: usize,
}

impl Picture {
    fn push(&mut self, element: &str) {
        self.out.push_str(element);
        self.out.push('\n');
    }

    /// A line of text; leading spaces move it to the right.
    fn text(&mut self, x: usize, y: usize, class: &str, text: &str) {
        let line = text.trim_start();
        let x = x + (text.len() - line.len()) * ADVANCE;
        if !line.is_empty() {
            self.push(&format!(
                "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>",
                escape(line)
            ));
        }
    }

    /// A rectangle; what it stands for is its tooltip.
    fn rect(&mut self, class: &str, [x, y, width, height]: [usize; 4], tip: &str) {
        let tip =
            if tip.is_empty() { String::new() } else { format!("<title>{}</title>", escape(tip)) };
        let place = format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"");
        self.push(&format!("<rect class=\"{class}\" {place} rx=\"3\">{tip}</rect>"));
    }

    fn paragraph(&mut self, text: &str, class: &str) {
        for line in wrap(text, self.columns, 2) {
            self.text(PAD, self.y, class, &line);
            self.y += LINE;
        }
    }

    fn lanes(&mut self, layout: &Layout) {
        let top = layout.y.start;
        for lane in layout.lanes.values() {
            self.rect("lane", [lane.x, top - LINE + 2, lane.width, layout.y.end - top + LINE], "");
            for (i, line) in lane.head.iter().enumerate() {
                self.text(lane.x + PAD / 2, top + i * LINE, "head", line);
            }
        }
        if layout.rows.iter().any(|row| !row.now.is_empty()) {
            self.text(layout.now, top, "head", "now true");
        }
        // One box a turn: the steps a CPU takes without being switched away from.
        let mut turns: Vec<[usize; 4]> = Vec::new();
        for row in &layout.rows {
            let lane = &layout.lanes[&row.lane];
            match turns.last_mut() {
                Some(turn) if turn[0] == lane.x && turn[1] + turn[3] == row.y => {
                    turn[3] += row.height
                }
                _ => turns.push([lane.x, row.y, lane.width, row.height]),
            }
        }
        for turn in turns {
            self.rect("turn", turn, "");
        }
    }

    fn switch(&mut self, layout: &Layout, from: &Row, to: &Row) {
        let middle = |row: &Row| layout.lanes[&row.lane].x + layout.lanes[&row.lane].width / 2;
        let (top, bottom) = (from.y + from.height, to.y);
        let (from, to) = (middle(from), middle(to));
        let across = bottom - SWITCH / 2;
        self.push(&format!(
            "<path class=\"switch\" d=\"M{from} {top}V{across}H{to}V{}\"/>",
            bottom - 5
        ));
        self.push(&format!("<path class=\"arrow\" d=\"M{} {}h8l-4 6z\"/>", to - 4, bottom - 6));
    }

    fn row(&mut self, witness: &Witness, layout: &Layout, row: &Row, gap: bool) {
        let step = &witness.steps[row.step];
        let bad = story::violating(witness) == Some(row.step);
        self.push("<g>");
        if !step.at.is_empty() {
            self.push(&format!("<title>{}</title>", escape(&step.at)));
        }
        let number = row.step + 1;
        let digits = witness.steps.len().to_string().len();
        if bad {
            let tip = format!("{} violated", witness.clause);
            self.rect("row-bad", [PAD / 2, row.y, layout.width - PAD, row.height], &tip);
        }
        let (mark, class) =
            if bad { ("✗", "bad") } else { (if gap { "⋮" } else { "" }, "dim") };
        self.text(PAD, row.y + LINE - 3, class, &format!("{number:>digits$} {mark}"));
        let class =
            if bad && step.kind == StepKind::Violation { "bad" } else { class_of(step.kind) };
        for (i, line) in row.text.iter().enumerate() {
            self.text(layout.lanes[&row.lane].text, row.y + (i + 1) * LINE - 3, class, line);
        }
        for (i, line) in row.now.iter().enumerate() {
            self.text(
                layout.now,
                row.y + (i + 1) * LINE - 3,
                if bad { "bad" } else { "now" },
                line,
            );
        }
        self.push("</g>");
    }

    fn bar(&mut self, layout: &Layout, bar: &Bar, locks: &[String]) {
        let name = layout.lanes[&bar.hold.lane].head.join(" ");
        let (class, tip) = match &bar.hold.lock {
            None => ("rcu".to_owned(), format!("RCU read section of {name}")),
            Some(lock) => (color(lock, locks), format!("{lock} held by {name}")),
        };
        self.rect(&class, [bar.x, bar.y.start, 5, bar.y.end - bar.y.start], &tip);
    }

    /// A bracket with an arrow back to its beginning, left of the steps of a livelock.
    fn repeating(&mut self, witness: &Witness, layout: &Layout) {
        let Some(range) = story::repeating(witness) else {
            return;
        };
        let mut rows = layout.rows.iter().filter(|row| range.contains(&row.step));
        let Some(first) = rows.next() else {
            return;
        };
        let last = rows.next_back().unwrap_or(first);
        let x = layout.lanes.values().next().map_or(layout.now, |lane| lane.x) - 4;
        let (top, bottom) = (first.y + LINE / 2, last.y + last.height - LINE / 2);
        self.push(&format!("<path class=\"loop\" d=\"M{x} {bottom}h-8V{top}h4\"/>"));
        self.push(&format!("<path class=\"arrow\" d=\"M{} {}v8l6 -4z\"/>", x - 5, top - 4));
    }

    /// What is found when all have ended: below all lanes, and across them.
    fn audited(&mut self, witness: &Witness, layout: &Layout) {
        let Some(found) = story::audited(witness) else {
            return;
        };
        let (top, place) = (self.y - LINE, self.out.len());
        self.paragraph(story::ENDED, "dim");
        self.paragraph(&format!("✗ {found}"), "bad");
        let text = self.out.split_off(place);
        let height = self.y - top - LINE + PAD / 2;
        self.rect("row-bad", [PAD / 2, top, layout.width - PAD, height], "");
        self.out.push_str(&text);
        self.y += PAD;
    }

    fn foot(&mut self, witness: &Witness, shown: &Shown, layout: &Layout, locks: &[String]) {
        match &witness.ending {
            Ending::Livelock { .. } => self.paragraph(story::FOR_EVER, "bad"),
            Ending::Deadlock { cycle } if !story::says(witness, cycle) => {
                self.paragraph(&story::waits(cycle), "now")
            }
            _ => {}
        }
        for lock in locks {
            self.rect(&color(lock, locks), [PAD, self.y - 10, 5, 12], "");
            let text = wrap(&format!("{lock} held"), self.columns - 2, 0);
            for line in text {
                self.text(PAD + 2 * ADVANCE, self.y, "dim", &line);
                self.y += LINE;
            }
        }
        if layout.bars.iter().any(|bar| bar.hold.lock.is_none()) {
            self.rect("rcu", [PAD, self.y - 10, 5, 12], "");
            self.text(PAD + 2 * ADVANCE, self.y, "dim", "RCU read section");
            self.y += LINE;
        }
        for paragraph in [Some(story::held(witness)), shown.left_out()].into_iter().flatten() {
            self.paragraph(&paragraph, "dim");
        }
        if !witness.replay.is_empty() {
            self.paragraph(&format!("replay: {}", witness.replay), "dim");
        }
    }

    fn finish(self, layout: &Layout, title: &str, headline: &str) -> String {
        let (width, height) = (layout.width, self.y + PAD - LINE);
        let mut svg = String::new();
        let place =
            format!("viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\"");
        let _ = writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" {place} role=\"img\" \
             aria-labelledby=\"title desc\">"
        );
        let _ = writeln!(svg, "<title id=\"title\">{}</title>", escape(title));
        let _ = writeln!(svg, "<desc id=\"desc\">{}</desc>", escape(headline));
        let _ = writeln!(svg, "<style>\n{}</style>", include_str!("style.css"));
        let hatch = "<path class=\"hatch\" d=\"M-2 2L2 -2M-2 8L8 -2M4 8L8 4\"/>";
        let _ = writeln!(
            svg,
            "<pattern id=\"hatch\" width=\"6\" height=\"6\" \
             patternUnits=\"userSpaceOnUse\">{hatch}</pattern>"
        );
        let _ = writeln!(svg, "<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>");
        svg.push_str(&self.out);
        svg.push_str("</svg>\n");
        svg
    }
}

fn color(lock: &str, locks: &[String]) -> String {
    let place = locks.iter().position(|l| l == lock).unwrap_or(0);
    format!("l{}", place % COLORS)
}

fn class_of(kind: StepKind) -> &'static str {
    match Paint::of(kind) {
        Paint::Dim => "dim",
        Paint::Lock => "lock",
        Paint::Store => "store",
        Paint::Doubt => "doubt",
        Paint::Bad => "bad",
        Paint::Plain | Paint::Head | Paint::Good => "step",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
