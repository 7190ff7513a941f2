// What was put away, and the way back.

import { get, post } from "./api.js";
import { complain, el, toast } from "./dom.js";
import { state, when } from "./words.js";

export async function trashView() {
  const { runs } = await get("/v1/trash");
  const list = el("ul", { class: "jobs" });
  const back = async (run, row) => {
    try {
      await post(`${run.url}/restore`);
      row.remove();
      toast(`“${run.prompt}” is back`);
      dispatchEvent(new Event("runs"));
    } catch (error) { complain(error); }
  };
  for (const run of runs) {
    const row = el("li", { class: "job" }, el("div", { class: "grow" }, el("p", { class: "prompt" }, run.prompt),
      el("p", { class: "quiet" }, [run.name, run.preset, state(run), when(run.started)].filter(Boolean).join(" · "))),
    el("button", { type: "button", "aria-label": `Bring back ${run.prompt}`, onclick: () => back(run, row) }, "Bring back"));
    list.append(row);
  }
  const node = el("div", {}, el("p", {}, el("a", { href: "#/" }, "← all runs")), el("h1", {}, "Trash"),
    runs.length ? list : el("p", { class: "quiet" }, "It is empty."),
    el("p", { class: "quiet" }, "To delete for good: ", el("code", {}, "dreamlab rm --empty"), "."));
  return { node, title: "Trash", close: () => {} };
}
