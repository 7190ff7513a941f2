// Pictures beside the prompt: dropped, pasted or chosen; each with the side that it shows.

import { bytes, post } from "./api.js";
import { complain, el, fill, say, toast } from "./dom.js";

const MOST = 8;
const SIDES = [["", "guess the side"], ["0", "its front"], ["90", "its left side"], ["270", "its right side"], ["180", "its back"]];
const HEIGHTS = [["-20", "from below"], ["0", "level"], ["15", "a little above"], ["40", "well above"]];
const USUAL = "15";
let last = 0; // ids of fields are numbered

export const send = (file) => post("/v1/pictures", file);

// The pictures of a run as a new job names them: sent again, from the run's own copies.
export const resent = (images) => Promise.all(images.map(async ({ url, ...camera }) => {
  const { picture } = await send(new Blob([await bytes(url)]));
  return { ...camera, picture };
}));

// changed(): there are more or fewer of them.
export function pictures(changed) {
  const shown = []; // { node, image(): as a job takes it }
  const list = el("ul", { class: "shots", "aria-label": "Pictures", hidden: true });
  const input = el("input", { id: "pictures", type: "file", accept: "image/*", multiple: true, hidden: true });
  const choose = el("button", { type: "button", class: "link", onclick: () => input.click() }, "Add a picture");
  const waiting = el("span", { class: "quiet", role: "status" });
  const node = el("div", { class: "pictures" },
    el("p", { class: "quiet" }, choose, " of it, or drop or paste one here.", " ", waiting), input, list);
  let under = 0;

  input.addEventListener("change", () => { add([...input.files]); input.value = ""; });

  async function add(files) {
    for (const file of files) {
      if (shown.length + under >= MOST) { toast(`No more than ${MOST} pictures can be used`, { bad: true }); return; }
      count(1);
      try { put(await send(file), file.name); } catch (error) { complain(error); } finally { count(-1); }
    }
  }

  function count(step) {
    under += step;
    waiting.textContent = under ? "Looking at it…" : "";
  }

  function put(facts, name, camera = {}) {
    const number = ++last;
    const called = name || "picture";
    const side = select(`side-${number}`, SIDES, camera.azimuth ?? "");
    const height = select(`height-${number}`, HEIGHTS, camera.elevation ?? USUAL);
    const remove = el("button", { type: "button", class: "plain", "aria-label": `Remove ${called}` }, "×");
    const row = el("li", { class: "shot" },
      el("div", { class: "picture small cutout" }, el("img", { src: facts.url ?? `/v1/pictures/${facts.picture}`, alt: `${called}, cut out`, width: 72, height: 72 })),
      el("div", { class: "grow" }, label(side, `What ${called} shows`), label(height, `From where ${called} was taken: how high`)), remove,
      facts.notes && el("p", { class: "quiet" }, facts.notes.join("; ")));
    const own = {
      node: row,
      image: () => ({ ...camera, picture: facts.picture, azimuth: side.value === "" ? null : Number(side.value), elevation: Number(height.value) }),
    };
    remove.addEventListener("click", () => { take(own); choose.focus(); say(`${called} is removed`); });
    shown.push(own);
    say(`${called}: ${facts.notes?.join("; ") ?? "added"}`);
    draw();
  }

  function take(own) { shown.splice(shown.indexOf(own), 1); draw(); }
  function draw() {
    fill(list, shown.map((each) => each.node));
    list.hidden = !shown.length;
    changed();
  }

  return {
    node,
    add,
    count: () => shown.length,
    busy: () => under > 0,
    images: () => shown.map((each) => each.image()),
    // Those that were sent already, with their cameras.
    set(images) {
      shown.length = 0;
      images.forEach(({ picture, ...camera }) => put({ picture }, "", camera));
      draw();
    },
  };
}

// Files that are dropped on a form, or pasted while it is shown.
export function receive(form, add) {
  const files = (event) => [...((event.dataTransfer ?? event.clipboardData)?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  const over = (is) => (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    form.classList.toggle("over", is);
  };
  form.addEventListener("dragover", over(true));
  form.addEventListener("dragleave", over(false));
  form.addEventListener("drop", (event) => {
    over(false)(event);
    const found = files(event);
    if (found.length) add(found); else if (event.dataTransfer.files.length) toast("That is no picture", { bad: true });
  });
  document.addEventListener("paste", (event) => {
    const found = files(event);
    if (!form.isConnected || !found.length) return;
    event.preventDefault();
    add(found);
  });
}

function select(id, options, value) {
  const said = String(value);
  const known = options.some(([each]) => each === said) ? options : [...options, [said, `${said}°`]];
  const node = el("select", { id }, known.map(([each, text]) => el("option", { value: each }, text)));
  node.value = said;
  return node;
}

const label = (input, text) => [el("label", { class: "unseen", for: input.id }, text), input];
