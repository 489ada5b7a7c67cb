// The index: which claims are shown, in which order, and how much of them. Without this, all of them are, by family.
"use strict";

const matrix = document.getElementById("matrix");
const groups = [...matrix.tBodies];
const [words, family, verdict, order, all, count] = ["words", "family", "verdict", "order", "all", "count"].map((id) => document.getElementById(id));

// What is well has no class.
const LOOK = { "": "tr", bad: ".bad", good: "td:not([class], :empty, :has(b)), td > b:not([class])", doubt: ".doubt" };

function show() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const group of groups) {
    const text = group.textContent.toLowerCase();
    const fits = wanted.every((word) => text.includes(word)) && (!family.value || group.id.split(/[./]/)[0] === family.value);
    group.hidden = !(fits && group.querySelector(LOOK[verdict.value]));
    if (!group.hidden) shown++;
  }
  count.textContent = `${shown} of ${groups.length}`;
}

function sort() {
  const violations = (group) => group.rows[0].querySelectorAll(".bad").length;
  matrix.append(...(order.value === "family" ? groups : groups.toSorted((a, b) => violations(b) - violations(a))));
}

for (const control of [words, family, verdict]) control.addEventListener("input", show);
order.addEventListener("input", sort);
all.addEventListener("input", () => matrix.querySelectorAll("input").forEach((box) => (box.checked = all.checked)));
document.querySelector(".filters").hidden = false;
show();
