// A model on a page: the report's viewer with its buttons; where there is no model yet, a picture.
/* global showModel */

import { bytes } from "./api.js";
import { el } from "./dom.js";

export const STYLES = [["lit", 0], ["albedo", 1], ["normal", 2], ["clay", 4], ["wireframe", 3]];

export function styles(dress) {
  const buttons = STYLES.map(([name, number]) => el("button", {
    type: "button", "aria-pressed": String(number === 0),
    onclick: () => {
      dress(number);
      buttons.forEach((other, k) => other.setAttribute("aria-pressed", String(STYLES[k][1] === number)));
    },
  }, name));
  return el("div", { class: "styles", role: "group", "aria-label": "Style" }, buttons);
}

// details: a run as /v1/runs/NAME has it. moved(camera) is called as the hands turn it.
export function stage(details, { moved = () => {} } = {}) {
  const notice = el("p", { class: "notice quiet", role: "status" });
  const canvas = el("canvas", {
    tabindex: 0, role: "img", "aria-label": `${details.prompt}, in 3D: drag or arrow keys to turn, scroll or + and - to zoom`,
  });
  const holder = el("div", { class: "holder" }, canvas, notice);
  const url = details.files.mesh?.["mesh.glb"];
  const view = { node: holder, model: null, ready: null, close() { this.closed = true; this.model?.close(); } };
  const say = (text) => { notice.textContent = text; };
  const picture = (text) => {
    canvas.hidden = true;
    holder.prepend(el("div", { class: "picture" },
      el("img", { src: `${details.thumbnail}${details.turns ? "?turn=1" : ""}`, alt: details.prompt })));
    say(text);
  };

  async function show() {
    if (!url) { picture(details.state === "done" ? "It has no GLB to show." : "There is no model yet: this is the newest preview."); return; }
    say("loading the model");
    try {
      const model = await showModel(canvas, await bytes(url), { say, moved });
      if (!model) { picture("This browser has no WebGL 2: this is the turntable."); return; }
      if (view.closed) { model.close(); return; }
      view.model = model;
      say("");
      holder.dataset.viewer = "ready";
    } catch (error) { picture(`The model cannot be shown here: ${error.message}`); }
  }

  view.ready = show();
  return view;
}
