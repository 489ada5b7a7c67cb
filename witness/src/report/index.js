// The index: which races are shown, and in which order. Without this, all of them are, by claim.
"use strict";

const rows = [...document.querySelectorAll("#matrix tbody tr")];
const body = document.querySelector("#matrix tbody");
const [words, family, verdict, order] = ["words", "family", "verdict", "order"].map((id) => document.getElementById(id));
const count = document.getElementById("count");

function show() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const its = row.querySelector("a").textContent.split(/[./]/)[0];
    const fits = wanted.every((word) => text.includes(word)) && (!family.value || its === family.value);
    row.hidden = !(fits && (!verdict.value || row.querySelector(`.${verdict.value}`)));
    if (!row.hidden) shown++;
  }
  count.textContent = `${shown} of ${rows.length} races`;
}

function sort() {
  const violations = (row) => row.querySelectorAll("td.bad").length;
  body.append(...(order.value === "claim" ? rows : rows.toSorted((a, b) => violations(b) - violations(a))));
}

for (const control of [words, family, verdict]) control.addEventListener("input", show);
order.addEventListener("input", sort);
document.querySelector(".filters").hidden = false;
show();
