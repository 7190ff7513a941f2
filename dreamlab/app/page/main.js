// The app: which view the address names, and what hangs together between them.

import { compareView } from "./compare.js";
import { composer } from "./composer.js";
import { complain, el, fill, say, toast } from "./dom.js";
import { gallery } from "./gallery.js";
import { jobs } from "./jobs.js";
import { help, listen } from "./keys.js";
import { queueView } from "./queue.js";
import { runView } from "./run.js";
import { trashView } from "./trash.js";

const view = document.getElementById("view");
const words = document.getElementById("words");
const bar = document.getElementById("chosen");
const chosen = new Map(); // name -> run, at most two

const form = composer();
const queue = queueView(form.seconds);
const shelf = gallery({ chosen, choose, begin: (noun) => form.use(noun), samples: () => form.sample().slice(0, 8) });
const home = el("div", { class: "home" }, form.node, queue.node, shelf.node);
let here = { node: home, title: "", close: () => {} };
let turn = 0;

async function go() {
  const mine = ++turn;
  const [, page = "", ...names] = location.hash.split("/").map(decodeURIComponent);
  const make = {
    run: () => runView(names[0], { again }), compare: () => compareView(...names), trash: trashView,
  }[page];
  let next = { node: home, title: "", close: () => {} };
  if (make) {
    try { next = await make(); } catch (error) { next = { node: sorry(error), title: "Not there", close: () => {} }; }
  }
  if (mine !== turn) { next.close(); return; }
  const from = here;
  here.close();
  here = next;
  fill(view, next.node);
  document.title = next.title ? `${next.title} – dreamlab` : "dreamlab";
  drawBar();
  if (next.node === home) { await refresh(); if (from.node !== home) words.blur(); } else { view.focus(); scrollTo(0, 0); }
}

const sorry = (error) => el("div", { class: "empty" }, el("h1", {}, "This cannot be shown"), el("p", {}, error.message),
  el("p", {}, el("a", { href: "#/" }, "← all runs")));
const refresh = () => shelf.load().catch(complain);

function again(recipe) {
  location.hash = "#/";
  form.set(recipe);
  if (recipe.lost) toast(`Filled in from the preset ${recipe.preset}: ${recipe.lost}`);
}

// ---- two to compare ----

function choose(run) {
  if (!chosen.delete(run.name)) chosen.set(run.name, run);
  if (chosen.size > 2) chosen.delete(chosen.keys().next().value);
  for (const box of document.querySelectorAll(".run")) box.querySelector("input").checked = chosen.has(box.dataset.name);
  drawBar();
}

function drawBar() {
  bar.hidden = !chosen.size || here.node !== home;
  const [a, b] = [...chosen.keys()];
  fill(bar, el("span", {}, chosen.size === 1 ? "Choose one more to compare" : "Two are chosen"),
    b && el("a", { class: "button primary", href: `#/compare/${encodeURIComponent(a)}/${encodeURIComponent(b)}` }, "Compare"),
    el("button", { type: "button", onclick: () => { chosen.clear(); refresh(); drawBar(); } }, "None"));
  if (!bar.hidden) say(bar.firstChild.textContent);
}

// ---- what happens by itself ----

jobs.addEventListener("state", ({ detail: job }) => {
  if (job.state === "done" && job.run) {
    toast(`“${job.prompt}” is done`, { action: "Show", does: () => { location.hash = `#/run/${encodeURIComponent(job.run)}`; } });
  }
  if (job.state === "failed") toast(`“${job.prompt}”: ${job.error ?? "failed"}`, { bad: true });
  if (here.node === home) refresh();
});
let gone = false;
jobs.addEventListener("offline", () => { if (!gone) toast("The server does not answer; trying again", { bad: true }); gone = true; });
jobs.addEventListener("online", () => { if (gone) { toast("The server is back"); refresh(); } gone = false; });
addEventListener("runs", refresh);
setInterval(() => { if (here.node === home && document.visibilityState === "visible" && shelf.anyRunning()) refresh(); }, 10000);

// ---- hands ----

let soon;
words.addEventListener("input", () => {
  clearTimeout(soon);
  soon = setTimeout(() => {
    if (here.node !== home) location.hash = "#/";
    shelf.search(words.value).catch(complain);
  }, 200);
});
words.closest(".search").addEventListener("keydown", (event) => { if (event.key === "Enter") shelf.move("ArrowRight"); });
document.getElementById("help").addEventListener("click", help);
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); view.focus(); });

const atHome = (does) => (key) => (here.node === home ? does(key) : false);
listen({
  search: () => { words.focus(); words.select(); },
  begin: () => { location.hash = "#/"; setTimeout(form.focus); },
  back: () => { if (here.node !== home) location.hash = "#/"; },
  move: atHome((key) => shelf.move(key)),
  choose: atHome(() => { const run = shelf.current(); return run ? choose(run) : false; }),
  favourite: () => { const run = shelf.current(); return here.favourite ? here.favourite() : run ? shelf.favourite(run.name) : false; },
  erase: atHome(() => { const run = shelf.current(); return run ? shelf.discard(run.name) : false; }),
  discard: () => { const run = shelf.current(); return here.remove ? here.remove() : run ? shelf.discard(run.name) : false; },
});

addEventListener("hashchange", go);
form.load().catch(complain).then(go);
jobs.start();
