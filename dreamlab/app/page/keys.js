// The keyboard. Nothing of it acts while someone types.

import { dialog, el } from "./dom.js";

const KEYS = [
  ["/", "search"], ["n", "a new object"], ["← ↑ ↓ →", "from run to run"], ["Enter", "open the run"], ["f", "favourite"],
  ["c", "choose for comparing"], ["Delete", "to the trash"], ["Esc", "back to all runs"], ["?", "this list"],
];

export function help() {
  dialog("Keys", el("table", {}, el("tbody", {}, KEYS.map(([key, what]) =>
    el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, key)), el("td", {}, what))))),
  el("p", { class: "quiet" }, "On the model: arrows turn it, + and - zoom."));
}

// does: what to do, by name: search, begin, move(key), favourite, choose, discard, erase (as the same key is called
// on a Mac), back.
export function listen(does) {
  addEventListener("keydown", (event) => {
    const at = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = at.matches("input:not([type=checkbox]), textarea, select");
    if (event.key === "Escape") { if (typing) at.blur(); else does.back(); return; }
    if (typing || at.matches("canvas, summary, input")) return;
    const act = {
      "/": does.search, n: does.begin, f: does.favourite, c: does.choose, Delete: does.discard, Backspace: does.erase, "?": help,
      ArrowLeft: does.move, ArrowRight: does.move, ArrowUp: does.move, ArrowDown: does.move,
    }[event.key];
    if (act && act(event.key) !== false) event.preventDefault();
  });
}
