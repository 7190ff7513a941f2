// The form that asks for objects, and what the prior on this machine knows.

import { get } from "./api.js";
import { complain, dialog, el, fill, toast } from "./dom.js";
import { jobs } from "./jobs.js";
import { pictures, receive, resent } from "./pictures.js";
import { about, many } from "./words.js";

const SHOWN = 6, EXAMPLE = "a red mushroom";

export function composer() {
  const presets = new Map();
  let nouns = [];
  const prompt = el("input", {
    id: "prompt", type: "text", required: true, maxlength: 300, autocomplete: "off", placeholder: EXAMPLE,
    "aria-describedby": "hint",
  });
  const preset = el("select", { id: "preset", "aria-describedby": "preset-about" });
  const presetAbout = el("p", { id: "preset-about", class: "quiet" });
  const seed = el("input", { id: "seed", type: "number", min: 0, max: 4294967295, step: 1, value: "0", required: true });
  const count = el("input", { id: "count", type: "number", min: 1, max: 16, step: 1, value: "1", required: true });
  const negative = el("input", { id: "negative", type: "text", maxlength: 300, autocomplete: "off" });
  const settings = el("textarea", {
    id: "settings", rows: 3, spellcheck: "false", placeholder: "stages.shape.steps = 200", "aria-describedby": "settings-about",
  });
  const shots = pictures(() => {
    prompt.required = !shots.count();
    prompt.placeholder = shots.count() ? "may be left out" : EXAMPLE;
  });
  const hint = el("div", { id: "hint", class: "hint" });
  const make = el("button", { type: "submit", class: "primary" }, "Make it");
  const more = el("details", { class: "more" }, el("summary", {}, "More"),
    el("div", { class: "fields" }, field("What to keep away from", negative, "wide"),
      field("Settings, one a line", settings, "wide")),
    el("p", { id: "settings-about", class: "quiet" },
      "By the names that --set takes, such as those that a run's page and a comparison show."));
  const node = el("form", { class: "card composer", "aria-label": "Make an object", novalidate: true },
    el("div", { class: "ask" }, el("h1", {}, el("label", { for: "prompt" }, "What shall it be?")),
      el("div", { class: "line" }, prompt, make)), shots.node, hint,
    el("div", { class: "fields" }, field("Preset", preset), field("Seed", seed), field("Variations", count)),
    presetAbout, more);

  prompt.addEventListener("input", () => fill(hint, hints(prompt.value, nouns, use)));
  preset.addEventListener("change", () => { presetAbout.textContent = describe(presets.get(preset.value)); });
  receive(node, shots.add);
  node.addEventListener("submit", (event) => { event.preventDefault(); submit(); });

  async function submit() {
    const wrong = [prompt, seed, count].find((input) => !input.checkValidity());
    if (wrong) { wrong.focus(); toast(`${wrong === prompt ? "Say what it shall be, or add a picture" : wrong.validationMessage}`, { bad: true }); return; }
    if (shots.busy()) { toast("The picture is still being looked at"); return; }
    make.disabled = true;
    try {
      const list = await jobs.submit({
        prompt: prompt.value.trim() || undefined, images: shots.images(), preset: preset.value || undefined, seed: Number(seed.value),
        negative: negative.value.trim() || undefined, variations: Number(count.value), settings: lines(settings.value),
      });
      const queued = list.length > 1 ? `${many(list.length, "variation")} in the queue` : "In the queue";
      toast([queued, ...list[0].notes].join(": "));
      prompt.select();
    } catch (error) { complain(error); } finally { make.disabled = false; }
  }

  function use(noun) {
    prompt.value = `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;
    prompt.dispatchEvent(new Event("input"));
    prompt.focus();
  }

  async function load() {
    const [offer, words] = await Promise.all([get("/v1/presets"), get("/v1/vocabulary")]);
    for (const each of offer.presets) {
      presets.set(each.name, each);
      preset.append(el("option", { value: each.name }, each.name));
    }
    preset.value = offer.usual;
    preset.dispatchEvent(new Event("change"));
    nouns = words.nouns;
    fill(hint, hints(prompt.value, nouns, use));
  }

  return {
    node,
    load,
    focus: () => { prompt.focus(); prompt.select(); },
    seconds: (name) => presets.get(name)?.seconds ?? undefined,
    use,
    sample: () => nouns,
    set(recipe) {
      prompt.value = recipe.prompt;
      if (presets.has(recipe.preset)) preset.value = recipe.preset;
      preset.dispatchEvent(new Event("change"));
      prompt.dispatchEvent(new Event("input"));
      [seed.value, negative.value] = [recipe.seed, recipe.negative];
      settings.value = Object.entries(recipe.settings).map(([k, v]) => `${k} = ${JSON.stringify(v)}`).join("\n");
      more.open = Boolean(settings.value || negative.value);
      shots.set([]);
      resent(recipe.images).then(shots.set, complain);
      prompt.focus();
    },
  };
}

function field(text, input, kind = "") {
  return el("div", { class: `field ${kind}` }, el("label", { for: input.id }, text), input);
}

function describe(preset) {
  if (!preset) return "";
  const where = preset.measured === "here" ? "on this machine" : "on two cores";
  return `${preset.about}${preset.seconds ? `: ${about(preset.seconds)} ${where}` : ""}`;
}

// "key = value" lines as the server takes them: JSON where it is that, else text.
function lines(text) {
  const found = {};
  for (const line of text.split("\n").map((each) => each.trim()).filter(Boolean)) {
    const at = line.indexOf("=");
    if (at < 1) throw new Error(`A setting has no "=": ${line}`);
    const value = line.slice(at + 1).trim();
    try { found[line.slice(0, at).trim()] = JSON.parse(value); } catch { found[line.slice(0, at).trim()] = value; }
  }
  return found;
}

const singular = (word) => [word, word.replace(/s$/, ""), word.replace(/es$/, ""), word.replace(/ies$/, "y")];

export function knownIn(prompt, nouns) {
  const text = ` ${prompt.toLowerCase().split(/[^\p{L}\p{N}]+/u).flatMap(singular).join(" ")} `;
  return nouns.filter((noun) => text.includes(` ${noun.toLowerCase()} `));
}

function hints(prompt, nouns, use) {
  if (!nouns.length) return [];
  const chip = (noun) => el("button", { type: "button", class: "chip", onclick: () => use(noun) }, noun);
  const all = el("button", { type: "button", class: "link", onclick: () => showAll(nouns, use) }, `all ${nouns.length} words`);
  const known = knownIn(prompt, nouns);
  if (known.length) return el("p", { class: "quiet" }, `The prior on this machine knows: ${known.join(", ")}.`);
  const typed = prompt.trim().toLowerCase().split(/\s+/).pop() ?? "";
  const near = typed.length > 1 ? nouns.filter((noun) => noun.toLowerCase().startsWith(typed.slice(0, 3))) : [];
  const offered = [...new Set([...near, ...nouns])].slice(0, SHOWN);
  const text = prompt.trim()
    ? "None of these words is a thing that the prior on this machine has learned; the result may be anything. It knows:"
    : "The prior on this machine knows things such as";
  return [el("p", { class: prompt.trim() ? "warn" : "quiet" }, text), el("div", { class: "chips" }, offered.map(chip), all)];
}

function showAll(nouns, use) {
  const list = el("div", { class: "chips" });
  const search = el("input", { type: "search", "aria-label": "Search the words", placeholder: "Search the words" });
  const box = dialog("What the prior on this machine knows", search, list);
  const draw = () => fill(list, nouns.filter((noun) => noun.includes(search.value.toLowerCase())).map((noun) =>
    el("button", { type: "button", class: "chip", onclick: () => { box.close(); use(noun); } }, noun)));
  search.addEventListener("input", draw);
  draw();
}
