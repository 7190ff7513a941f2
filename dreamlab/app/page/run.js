// One run: its model, its files, variations, exports, tags, figures.

import { get, patch } from "./api.js";
import { complain, el, toast } from "./dom.js";
import { exportForm } from "./exporting.js";
import { discard } from "./gallery.js";
import { jobs } from "./jobs.js";
import { resent } from "./pictures.js";
import { stage, styles } from "./stage.js";
import { many, state, told, took, when } from "./words.js";

const card = (title, ...inside) => el("section", { class: "card" }, el("h2", {}, title), inside);
const table = (rows, kind = "") => el("table", { class: kind }, el("tbody", {}, rows.map(([name, ...cells]) =>
  el("tr", {}, el("th", { scope: "row" }, name), cells.map((cell) => el("td", {}, cell))))));

// again(recipe): fill the form with it.
export async function runView(name, { again }) {
  let [run, { runs: recent }] = await Promise.all([get(`/v1/runs/${encodeURIComponent(name)}`), get("/v1/runs?limit=100")]);
  const view = stage(run);
  const star = el("button", { type: "button", onclick: favourite });
  const shown = el("section", { class: "card stage", "aria-label": "The model" }, view.node,
    run.files.mesh?.["mesh.glb"] ? styles((number) => view.model?.dress(number)) : null);
  const line = el("p", { class: "quiet" });
  const node = el("div", {},
    el("p", {}, el("a", { href: "#/" }, "← all runs")),
    el("div", { class: "title" }, el("h1", {}, run.prompt),
      el("div", { class: "acts" }, star, el("button", { type: "button", onclick: remove }, "To the trash"))),
    line,
    el("div", { class: "two" },
      el("div", {}, shown, sources(run), figures(run), files(run)),
      el("div", {}, downloads(run), variations(run, again), run.state === "done" && card("Export anew", exportForm(run)),
        tags(run), comparing(run, recent))));
  drawLine();
  drawStar();
  const watch = run.state === "running" && setInterval(follow, 4000);

  async function follow() {
    const before = run.state;
    try { run = await get(run.url); } catch { return; }
    if (run.state !== before) dispatchEvent(new Event("hashchange")); // all of it anew
    drawLine();
    const picture = view.node.querySelector("img");
    if (picture) picture.src = `${run.thumbnail}?at=${run.step}`;
  }
  function drawLine() {
    const facts = [run.name, run.preset, state(run), run.state === "done" && took(run.seconds), when(run.started)];
    line.textContent = facts.filter(Boolean).join(" · ");
  }
  function drawStar() {
    star.setAttribute("aria-pressed", String(run.favourite));
    star.textContent = run.favourite ? "★ Favourite" : "☆ Favourite";
  }
  async function favourite() {
    try { run = { ...run, ...await patch(run.url, { favourite: !run.favourite }) }; drawStar(); } catch (error) { complain(error); }
  }
  async function remove() { if (await discard(run)) location.hash = "#/"; }

  return { node, title: run.prompt, favourite, remove, close: () => { clearInterval(watch); view.close(); } };
}

// The pictures that it was made from, as the run keeps them.
function sources(run) {
  const own = Object.values(run.files.picture ?? {});
  if (!own.length) return null;
  return card("Made from", el("div", { class: "acts" }, own.map((url, k) => el("a", { class: "picture small cutout", href: url },
    el("img", { src: url, alt: `Picture ${k + 1}`, width: 64, height: 64 })))));
}

function downloads(run) {
  const mesh = run.files.mesh ?? {}, film = run.files.turntable ?? {};
  const link = (url, text, props = {}) => url && el("a", { class: "button", href: url, ...props }, text);
  const name = (url) => ({ download: `${run.name}.${url?.split(".").pop()}` });
  const links = [
    link(mesh["mesh.glb"], "GLB", { ...name(mesh["mesh.glb"]), class: "button primary" }),
    link(film["turntable.mp4"], "MP4", name(film["turntable.mp4"])), link(film["turntable.webp"], "WebP", name(film["turntable.webp"])),
    link(run.files.report?.["report.html"], "Report", { target: "_blank", rel: "noopener" }),
  ].filter(Boolean);
  if (!links.length) return null;
  return card("Download", el("div", { class: "acts" }, links));
}

function variations(run, again) {
  const count = el("input", { id: "vary", type: "number", min: 1, max: 16, value: "4" });
  const line = el("p", { class: "quiet" });
  const recipe = () => get(`${run.url}/recipe`);
  const go = el("button", { type: "button", onclick: vary }, "Make them");
  async function vary() {
    if (!count.checkValidity()) { toast(count.validationMessage, { bad: true }); count.focus(); return; }
    go.disabled = true;
    try {
      const found = await recipe();
      line.textContent = found.lost && `Made by the preset ${found.preset}: ${found.lost}.`;
      const images = await resent(found.images);
      const order = { prompt: found.prompt, images, preset: found.preset, negative: found.negative, settings: found.settings };
      const list = await jobs.submit({ ...order, seed: found.seed + 1, variations: Number(count.value) });
      toast(`${many(list.length, "variation")} in the queue`, { action: "Show", does: () => { location.hash = "#/"; } });
    } catch (error) { complain(error); } finally { go.disabled = false; }
  }
  return card("Variations", el("p", { class: "quiet" }, "The same words and settings with the next seeds."),
    el("div", { class: "acts" }, el("label", { for: "vary" }, "How many"), count, go,
      el("button", { type: "button", onclick: () => recipe().then(again, complain) }, "Change something…")), line);
}

function tags(run) {
  const input = el("input", { id: "tags", type: "text", value: run.tags.join(", "), autocomplete: "off", placeholder: "toys, for the garden" });
  const keep = async (event) => {
    event.preventDefault();
    try {
      const changed = await patch(run.url, { tags: input.value.split(",") });
      input.value = changed.tags.join(", ");
      toast("Tags are kept");
    } catch (error) { complain(error); }
  };
  return card("Tags", el("form", { class: "line", onsubmit: keep }, el("label", { class: "unseen", for: "tags" }, "Tags, with commas between them"),
    input, el("button", { type: "submit" }, "Keep")));
}

function comparing(run, recent) {
  const others = recent.filter((other) => other.name !== run.name);
  if (!others.length) return null;
  const select = el("select", { id: "other" }, others.map((other) => el("option", { value: other.name }, `${other.prompt} (${other.number || other.name})`)));
  const go = (event) => {
    event.preventDefault();
    location.hash = `#/compare/${encodeURIComponent(run.name)}/${encodeURIComponent(select.value)}`;
  };
  return card("Compare", el("form", { class: "line", onsubmit: go }, el("label", { class: "unseen", for: "other" }, "Compare with"),
    select, el("button", { type: "submit" }, "Compare")));
}

function figures(run) {
  const measures = run.figures.filter((each) => !each.key.startsWith("seconds"));
  const seconds = run.figures.filter((each) => each.key.startsWith("seconds."));
  if (!measures.length) return null;
  const rows = measures.map((each) => [each.name, `${told(each.value)} ${each.unit}`.trim(), el("span", { class: "quiet" }, each.good)]);
  return card("Result", table(rows, "figures"), el("details", {}, el("summary", {}, `Time: ${took(run.seconds)}`),
    table(seconds.map((each) => [each.key.replace("seconds.", ""), took(each.value)]))));
}

function files(run) {
  const all = Object.entries(run.files).filter(([kind]) => kind !== "preview").flatMap(([, found]) => Object.entries(found));
  return el("details", { class: "card" }, el("summary", {}, "All files"),
    el("ul", {}, all.map(([name, url]) => el("li", {}, el("a", { href: url, ...(name.endsWith(".html") ? { target: "_blank" } : { download: name }) }, name)))));
}


