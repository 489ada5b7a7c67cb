// Steps through an interleaving: a slider, arrow keys, and links like #step=7. One stepper for each <section class="stepper">; what it shows is
// JSON in the <script> element that data-witness names. Everything is put into the page as text, never as HTML.
"use strict";

const COLORS = 8;

// What moves it: the key, what its button says, and what it does; the slider stands before the fourth.
const MOVES = [
  ["Home", "|◀", "Before the first step (Home)", (stepper) => stepper.go(0)],
  ["PageUp", "◀◀", "To the switch before (Page Up)", (stepper) => stepper.jump(-1)],
  ["ArrowLeft", "◀", "One step back (←)", (stepper) => stepper.go(stepper.at - 1)],
  ["ArrowRight", "▶", "One step on (→)", (stepper) => stepper.go(stepper.at + 1)],
  ["PageDown", "▶▶", "To the next switch (Page Down)", (stepper) => stepper.jump(1)],
  ["End", "▶|", "To the end (End)", (stepper) => stepper.go(stepper.rows.length)],
];

// The rows at which a CPU gets its turn from another one. Who only waits takes none, and for a store to arrive its CPU need not run.
function switches(steps, rows) {
  let running = null;
  return rows.map((row) => {
    const step = steps[row];
    const before = running ?? step.c;
    if (step.c === before || !step.t.endsWith(" reaches memory")) running = step.c;
    return running !== before && step.k !== "blocked";
  });
}

// What is found when nobody takes a step any more is a step of nobody's.
const ENDED = "all CPUs have ended";

function whose(step) {
  return step.c === null ? ENDED : `CPU${step.c}`;
}

function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// What is in memory after each row, and what has changed since the row before.
function memories(witness, rows) {
  const state = new Map(witness.start);
  const all = [{ state: new Map(state), changed: new Map() }];
  let next = 0;
  for (const row of rows) {
    const changed = new Map();
    for (; next <= row; next++) {
      for (const [name, value] of witness.steps[next].s ?? []) {
        if (!changed.has(name)) changed.set(name, state.get(name) ?? null);
        if (value === null) state.delete(name);
        else state.set(name, value);
      }
    }
    for (const [name, before] of changed) if ((state.get(name) ?? null) === before) changed.delete(name);
    all.push({ state: new Map(state), changed });
  }
  return all;
}

// Which table of the memory something stands in, in which row and column of it.
function placed(name) {
  const forms = [
    ["Page tables", /^pte\[(mm\d+):(\d+)\]$/, (m) => [m[1], m[2]]],
    ["Pages", /^(P\d+[′°]*)\.(\w+)$/, (m) => [m[1], m[2]]],
    ["VMAs: [vm_start, vm_end) @ vm_pgoff", /^(vma\d+)$/, (m) => [m[1], ""]],
    ["Lists", /^(.+) (list|bundle)$/, (m) => [m[1], ""]],
    ["Swap", /^(swap\S*?)\.(\w+)$/, (m) => [m[1], m[2]]],
    ["Swap", /^swapcache\[(.+)\]$/, (m) => [m[1], "cache"]],
  ];
  for (const [table, form, where] of forms) {
    const match = form.exec(name);
    if (match) return [table, ...where(match)];
  }
  return ["Other words", name, ""];
}

class Stepper {
  constructor(section) {
    this.section = section;
    this.key = section.dataset.key;
    this.witness = JSON.parse(document.getElementById(section.dataset.witness).textContent);
    this.colors = new Map();
    for (const [, lock] of this.witness.holds) {
      if (lock !== null && !this.colors.has(lock)) this.colors.set(lock, this.colors.size % COLORS);
    }
    this.full = false;
    this.at = 0;
    this.build();
    this.lay();
    const asked = this.asked();
    this.go(asked === null ? 0 : this.rowOf(asked), false);
  }

  // The row that the link asks for, by its step.
  asked() {
    const match = new RegExp(`(?:^#|&)${this.key}=(\\d+)`).exec(location.hash);
    return match ? Number(match[1]) : null;
  }

  rowOf(step) {
    let row = 0;
    while (row < this.rows.length && this.rows[row] < step) row++;
    return row;
  }

  build() {
    const buttons = MOVES.map(([, label, title, move]) => {
      const made = el("button", { type: "button", title }, label);
      made.addEventListener("click", () => move(this));
      return made;
    });
    this.slider = el("input", { type: "range", min: 0, value: 0, "aria-label": "Step" });
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    const every = el("input", { type: "checkbox" });
    every.addEventListener("change", () => {
      const step = this.step();
      this.full = every.checked;
      this.lay();
      this.go(this.rowOf(step));
    });
    this.place = el("output", { "aria-live": "polite" });
    this.lanes = el("div", { class: "lanes", tabindex: 0, role: "region", "aria-label": "Interleaving" });
    this.memory = el("div", { class: "memory", role: "region", "aria-label": "Memory" });
    const controls = el(
      "div",
      { class: "controls" },
      ...buttons.slice(0, 3),
      this.slider,
      ...buttons.slice(3),
      this.place,
      el("label", {}, every, " loads without effect, too"),
    );
    this.section.append(controls, el("div", { class: "stage" }, this.lanes, this.memory));
    this.section.addEventListener("focusin", () => (Stepper.active = this));
    this.section.addEventListener("pointerdown", () => (Stepper.active = this));
  }

  // The lanes, one row a step.
  lay() {
    const { cpus, steps, story, repeat } = this.witness;
    this.rows = this.full ? steps.map((_, n) => n) : story;
    this.memories = memories(this.witness, this.rows);
    this.switches = switches(steps, this.rows);
    this.slider.max = this.rows.length;
    const tracks = cpus.map((_, lane) => 1 + Math.max(-1, ...this.witness.holds.filter((hold) => hold[0] === lane).map((hold) => hold[4])));
    this.heads = cpus.map(() => el("div", { class: "held" }));
    const head = el("tr", {}, el("th", { class: "n" }, "step"));
    cpus.forEach((name, lane) => head.append(el("th", {}, name, this.heads[lane])));
    head.append(el("th", {}, "now true"));
    this.lines = this.rows.map((n, at) => {
      const step = steps[n];
      const bad = n === this.witness.bad;
      const turns = this.switches[at];
      const round = repeat && n >= repeat[0] && n <= repeat[1];
      const number = el("a", { href: `#${this.key}=${n + 1}` }, step.c === null ? "end" : String(n + 1));
      const line = el("tr", { class: [bad && "bad", turns && "turn", round && "round"].filter(Boolean).join(" ") }, el("td", { class: "n" }, number));
      if (step.c === null) line.append(el("td", { colspan: cpus.length }, `${ENDED}: `, el("span", { class: `k-${step.k}` }, step.t)));
      else cpus.forEach((_, lane) => {
        const cell = el("td", { class: "lane" });
        cell.style.paddingLeft = `${8 + 8 * tracks[lane]}px`;
        const bars = this.witness.holds.filter((hold) => hold[0] === lane && hold[2] <= n && n < hold[3]);
        cell.style.backgroundImage = bars.map(([, lock]) => (lock === null ? "var(--rcu)" : `linear-gradient(var(--l${this.colors.get(lock)}) 0 0)`)).join(",");
        cell.style.backgroundPosition = bars.map((hold) => `${4 + 8 * hold[4]}px 0`).join(",");
        if (bars.length) cell.title = `held: ${bars.map(([, lock]) => lock ?? "RCU read section").join(", ")}`;
        if (lane === step.c) {
          const text = el("span", { class: `k-${step.k}` }, (bad ? "✗ " : "") + step.t);
          text.style.marginLeft = `${Math.min(step.d, 8)}em`;
          if (step.a) text.title = step.a;
          cell.append(text);
        }
        line.append(cell);
      });
      const now = el("td", { class: "now" });
      const { state, changed } = this.memories[at + 1];
      for (const [name, before] of changed) {
        const after = state.get(name);
        const text = after === undefined ? `${name} is gone` : before === null ? `${name} = ${after}` : `${name}: ${before} → ${after}`;
        now.append(el("div", {}, text));
      }
      if (bad) now.append(el("div", { class: "what" }, `✗ ${this.witness.clause}`));
      line.append(now);
      line.addEventListener("click", (event) => event.target.closest("a") || this.go(at + 1));
      return line;
    });
    this.lanes.replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, ...this.lines)));
    this.layMemory();
  }

  // Everything that is ever in memory has a place, so that nothing moves.
  layMemory() {
    const names = new Set(this.witness.start.map(([name]) => name));
    for (const step of this.witness.steps) for (const [name] of step.s ?? []) names.add(name);
    const tables = new Map();
    this.cells = new Map();
    for (const name of [...names].sort((a, b) => a.localeCompare(b, "en", { numeric: true }))) {
      const [title, row, column] = placed(name);
      const table = tables.get(title) ?? { rows: new Map(), columns: new Set() };
      tables.set(title, table);
      table.columns.add(column);
      table.rows.set(row, (table.rows.get(row) ?? new Map()).set(column, name));
    }
    const order = ["Page tables", "Pages", "VMAs: [vm_start, vm_end) @ vm_pgoff", "Lists", "Swap", "Other words"];
    this.memory.replaceChildren();
    for (const title of order.filter((title) => tables.has(title))) {
      const { rows, columns } = tables.get(title);
      const made = el("table", {}, el("caption", {}, title));
      if (columns.size > 1 || !columns.has("")) made.append(el("thead", {}, el("tr", {}, el("td"), ...[...columns].map((column) => el("th", { scope: "col" }, column)))));
      const body = el("tbody");
      for (const [row, its] of rows) {
        const line = el("tr", {}, el("th", { scope: "row" }, row));
        for (const column of columns) {
          const cell = el("td");
          if (its.has(column)) this.cells.set(its.get(column), cell);
          line.append(cell);
        }
        body.append(line);
      }
      made.append(body);
      this.memory.append(made);
    }
  }

  // The step after which everything is shown: 0 before the first one.
  step() {
    return this.at === 0 ? 0 : this.rows[this.at - 1] + 1;
  }

  jump(by) {
    let at = this.at + by;
    while (at > 0 && at < this.rows.length && !this.switches[at]) at += by;
    this.go(at);
  }

  go(at, linked = true) {
    this.at = Math.max(0, Math.min(this.rows.length, at));
    const { steps, cpus, holds, clause, what } = this.witness;
    const step = this.step();
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", this.at === 0 ? "before the first step" : `${whose(steps[step - 1])}: ${steps[step - 1].t}`);
    const ended = this.at === this.rows.length;
    const last = steps.at(-1)?.c === null ? steps.length - 1 : steps.length;
    const place = step > last ? ENDED : `step ${step} of ${last}`;
    this.memory.dataset.at = place;
    this.place.textContent = `${place}${ended && clause ? ` · ✗ ${clause}: ${what}` : ""}`;
    this.place.classList.toggle("bad", Boolean(ended && clause));
    this.lines.forEach((line, n) => {
      line.classList.toggle("future", n >= this.at);
      line.classList.toggle("current", n === this.at - 1);
      if (n === this.at - 1) line.setAttribute("aria-current", "step");
      else line.removeAttribute("aria-current");
    });
    cpus.forEach((_, lane) => {
      const held = holds.filter((hold) => hold[0] === lane && hold[2] < step && step <= hold[3]);
      const chip = ([, lock]) => {
        const made = el("span", { class: "chip" }, lock ?? "RCU");
        made.style.borderImage = lock === null ? "var(--rcu) 6" : "";
        made.style.borderColor = lock === null ? "" : `var(--l${this.colors.get(lock)})`;
        return made;
      };
      this.heads[lane].replaceChildren(...(held.length ? held.map(chip) : [el("span", { class: "dim" }, "holds nothing")]));
    });
    const { state, changed } = this.memories[this.at];
    for (const [name, cell] of this.cells) {
      cell.textContent = state.get(name) ?? "–";
      cell.classList.toggle("none", !state.has(name));
      cell.classList.remove("changed");
      if (changed.has(name)) {
        void cell.offsetWidth; // the animation begins anew
        cell.classList.add("changed");
        cell.title = `was ${changed.get(name) ?? "not there"}`;
      } else cell.removeAttribute("title");
    }
    this.show(this.lines[Math.max(0, this.at - 1)]);
    if (linked) history.replaceState(null, "", `#${this.key}=${step}`);
  }

  // Scrolls the lanes, and not the page.
  show(line) {
    if (!line) return;
    const head = this.lanes.querySelector("thead").offsetHeight;
    const [top, bottom] = [line.offsetTop - head, line.offsetTop + line.offsetHeight];
    const margin = 3 * line.offsetHeight;
    if (top < this.lanes.scrollTop + margin) this.lanes.scrollTop = top - margin;
    else if (bottom > this.lanes.scrollTop + this.lanes.clientHeight - margin) this.lanes.scrollTop = bottom + margin - this.lanes.clientHeight;
  }
}

const steppers = [...document.querySelectorAll(".stepper")].map((section) => new Stepper(section));
Stepper.active = steppers[0];

document.addEventListener("keydown", (event) => {
  const stepper = Stepper.active;
  if (!stepper || event.ctrlKey || event.altKey || event.metaKey) return;
  const move = MOVES.find(([key]) => key === event.key);
  if (!move) return;
  event.preventDefault();
  move[3](stepper);
});

window.addEventListener("hashchange", () => {
  for (const stepper of steppers) {
    const asked = stepper.asked();
    if (asked !== null && asked !== stepper.step()) stepper.go(stepper.rowOf(asked), false);
  }
});
