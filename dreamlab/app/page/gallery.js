// All runs: searched, filtered, marked, put away; with the keyboard as with the hand.

import { del, get, patch, post, query } from "./api.js";
import { complain, el, fill, say, still, toast } from "./dom.js";
import { clock, many, state, when } from "./words.js";

// chosen: the set of runs to compare, by name. begin(noun): fill the form, for who has no runs yet.
export function gallery({ chosen, choose, begin, samples }) {
  const asked = { words: "", tag: null, favourite: false };
  let runs = [], after = null, turn = 0;
  const grid = el("ul", { class: "grid", "aria-label": "Runs" });
  const filters = el("div", { class: "chips", role: "group", "aria-label": "Show" });
  const count = el("p", { class: "quiet" });
  const rest = el("button", { type: "button", hidden: true, onclick: () => load(true).catch(complain) }, "Show more");
  const none = el("div", {});
  const node = el("section", { "aria-labelledby": "runs-title" },
    el("div", { class: "between" }, el("h2", { id: "runs-title" }, "Runs"), count), filters, none, grid,
    el("p", { class: "centre" }, rest));

  async function load(more = false) {
    const mine = ++turn;
    const limit = more ? 60 : Math.max(60, Math.min(runs.length, 480));
    const found = await get(`/v1/runs?${query({ ...asked, limit, after: more ? after : null })}`);
    if (mine !== turn) return; // an older question's answer
    runs = more ? [...runs, ...found.runs] : found.runs;
    after = found.after;
    const name = document.activeElement?.closest(".run")?.dataset.name;
    fill(grid, runs.map(card));
    if (name) cardOf(name)?.querySelector("a").focus();
    rest.hidden = !after;
    count.textContent = found.total ? many(found.total, "run") : "";
    drawFilters(found.tags);
    fill(none, runs.length ? [] : empty());
    const damaged = Object.keys(found.damaged);
    if (damaged.length) count.textContent += `, and ${many(damaged.length, "folder")} that cannot be read`;
    count.title = Object.entries(found.damaged).map(([key, why]) => `${key}: ${why}`).join("\n");
  }

  function drawFilters(tags) {
    const chip = (text, on, does) => el("button", { type: "button", class: "chip", "aria-pressed": String(on), onclick: () => { does(); load().catch(complain); } }, text);
    const plain = !asked.favourite && !asked.tag;
    fill(filters,
      chip("All", plain, () => { asked.favourite = false; asked.tag = null; }),
      chip("★ Favourites", asked.favourite, () => { asked.favourite = !asked.favourite; }),
      Object.entries(tags).map(([tag, n]) => chip(`${tag} ${n}`, asked.tag === tag, () => { asked.tag = asked.tag === tag ? null : tag; })));
  }

  function empty() {
    if (asked.words || asked.tag || asked.favourite) {
      return el("div", { class: "empty" }, el("p", {}, "No run has all of this."),
        el("button", { type: "button", onclick: () => api.clear() }, "Show all runs"));
    }
    return el("div", { class: "empty" }, el("h3", {}, "Nothing here yet"),
      el("p", {}, "Say in a few words what it shall be, such as one of these, and wait a minute or two. It appears here, turns, and can be downloaded."),
      el("div", { class: "chips centre" }, samples().map((noun) => el("button", { type: "button", class: "chip", onclick: () => begin(noun) }, noun))));
  }

  function card(run) {
    const star = el("button", {
      type: "button", class: "star", "aria-pressed": String(run.favourite), "aria-label": `Favourite: ${run.prompt}`,
      onclick: () => api.favourite(run.name),
    }, run.favourite ? "★" : "☆");
    const pick = el("input", {
      type: "checkbox", "aria-label": `Compare ${run.prompt}, run ${run.number || run.name}`, checked: chosen.has(run.name), onchange: () => choose(run),
    });
    const facts = run.state === "done" ? [run.preset, clock(run.seconds), when(run.started)] : [run.preset, state(run)];
    const node = el("li", { class: "run", "data-name": run.name, "data-state": run.state },
      el("a", { href: `#/run/${encodeURIComponent(run.name)}`, class: "open" },
        el("span", { class: "picture" }, turntable(run)), el("span", { class: "prompt" }, run.prompt)),
      el("p", { class: "quiet" }, facts.filter(Boolean).join(" · ")),
      run.tags.length ? el("p", { class: "tags" }, run.tags.map((tag) => el("span", { class: "tag" }, tag))) : null,
      star, el("label", { class: "pick" }, pick, el("span", {}, "compare")));
    return node;
  }

  const cardOf = (name) => [...grid.children].find((each) => each.dataset.name === name);
  const find = (name) => runs.find((run) => run.name === name);
  const swap = (run) => {
    runs = runs.map((each) => (each.name === run.name ? run : each));
    const old = cardOf(run.name);
    if (!old) return;
    const at = old.contains(document.activeElement) ? document.activeElement.className : null;
    const fresh = card(run);
    old.replaceWith(fresh);
    if (at !== null) (fresh.querySelector(`.${at || "open"}`) ?? fresh.querySelector("a")).focus();
  };

  const api = {
    node, load,
    search(words) { asked.words = words; return load(); },
    clear() {
      Object.assign(asked, { words: "", tag: null, favourite: false });
      document.getElementById("words").value = "";
      load().catch(complain);
    },
    anyRunning: () => runs.some((run) => run.state === "running"),
    current: () => find(document.activeElement?.closest(".run")?.dataset.name),
    async favourite(name) {
      try {
        const run = await patch(`/v1/runs/${encodeURIComponent(name)}`, { favourite: !find(name).favourite });
        swap(run);
        say(run.favourite ? "a favourite" : "no favourite");
      } catch (error) { complain(error); }
    },
    async discard(name) {
      const next = cardOf(name)?.nextElementSibling ?? cardOf(name)?.previousElementSibling;
      if (await discard(find(name))) { await load(); next && cardOf(next.dataset.name)?.querySelector("a").focus(); }
    },
    move(key) { step(grid, key); },
  };
  return api;
}

// To the trash, with a way back. Whether it went.
export async function discard(run, back = () => dispatchEvent(new Event("runs"))) {
  try {
    const { trashed } = await del(`/v1/runs/${encodeURIComponent(run.name)}`);
    toast(`“${run.prompt}” is in the trash`, {
      action: "Undo",
      does: () => post(`/v1/runs/${encodeURIComponent(trashed)}/restore`).then(back, complain),
    });
    return true;
  } catch (error) { complain(error); return false; }
}

// A still that turns under the hand.
export function turntable(run) {
  const image = el("img", { src: run.thumbnail, alt: "", width: 256, height: 256, loading: "lazy", decoding: "async" });
  if (!run.turns) return image;
  const turn = (on) => () => { if (!still()) image.src = on ? `${run.thumbnail}?turn=1` : run.thumbnail; };
  queueMicrotask(() => {
    const over = image.closest("a") ?? image;
    for (const [name, on] of [["pointerenter", true], ["focus", true], ["pointerleave", false], ["blur", false]]) {
      over.addEventListener(name, turn(on));
    }
  });
  return image;
}

// The arrows go from card to card as they lie on the screen.
const top = (link) => link.closest(".run").offsetTop;
function step(grid, key) {
  const links = [...grid.querySelectorAll("a.open")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement?.closest(".run")?.querySelector("a.open"));
  if (at < 0) { links[0].focus(); return; }
  const columns = links.filter((link) => top(link) === top(links[0])).length || 1;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  links[Math.min(Math.max(at + by, 0), links.length - 1)].focus();
}
