// Two runs beside each other: cameras that move together, and what differs.

import { get } from "./api.js";
import { el } from "./dom.js";
import { stage, styles } from "./stage.js";
import { state, told } from "./words.js";

const TITLES = { settings: "Settings that differ", environment: "Environment that differs", figures: "Figures" };

export async function compareView(a, b) {
  const [found, ...runs] = await Promise.all([
    get(`/v1/runs/${encodeURIComponent(a)}/diff/${encodeURIComponent(b)}`),
    ...[a, b].map((name) => get(`/v1/runs/${encodeURIComponent(name)}`)),
  ]);
  const linked = el("input", { type: "checkbox", checked: true });
  const views = [];
  runs.forEach((run, place) => views.push(stage(run, {
    moved: (camera) => { if (linked.checked) views[1 - place]?.model?.look(camera); },
  })));
  const settle = () => { if (linked.checked && views.every((view) => view.model)) views[1].model.look(views[0].model.where()); };
  Promise.all(views.map((view) => view.ready)).then(settle);
  linked.addEventListener("change", settle);

  const side = (run, view) => el("section", { class: "card stage", "aria-label": `${run.prompt}, run ${run.number || run.name}` }, view.node,
    el("p", { class: "caption" }, el("a", { href: `#/run/${encodeURIComponent(run.name)}` }, run.prompt),
      el("span", { class: "quiet" }, ` ${run.name} · ${state(run)}`)));
  const node = el("div", {},
    el("p", {}, el("a", { href: "#/" }, "← all runs")),
    el("div", { class: "title" }, el("h1", {}, "Two runs"),
      el("div", { class: "acts" }, el("label", { class: "box" }, linked, " cameras move together"),
        styles((number) => views.forEach((view) => view.model?.dress(number))))),
    el("div", { class: "pair" }, runs.map((run, place) => side(run, views[place]))),
    Object.entries(TITLES).map(([key, title]) => differences(title, found[key], found, runs)),
    found.unfinished.length ? el("p", { class: "quiet" }, `Not finished, and so without figures: ${found.unfinished.join(", ")}.`) : null);
  return { node, title: `${runs[0].prompt} and ${runs[1].prompt}`, close: () => views.forEach((view) => view.close()) };
}

function differences(title, rows, { runs: names, called }, runs) {
  const entries = Object.entries(rows);
  const head = runs.map((run) => el("th", { scope: "col" }, run.number ? `run ${run.number}` : run.name));
  const cells = (values) => names.map((name) => el("td", {}, told(values[name])));
  return el("section", { class: "card" }, el("h2", {}, title),
    entries.length ? el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title }, el("table", { class: "diff" },
      el("thead", {}, el("tr", {}, el("td", {}), head)),
      el("tbody", {}, entries.map(([key, values]) => el("tr", {}, el("th", { scope: "row" }, called[key] ?? key), cells(values)))))) : el("p", { class: "quiet" }, "None."));
}
