// What is being made, what waits for it, and what came to nothing.

import { complain, el, fill } from "./dom.js";
import { jobs } from "./jobs.js";
import { about, many, phase } from "./words.js";

// seconds(preset): how long a run of it takes, or undefined.
export function queueView(seconds) {
  const list = el("ul", { class: "jobs" });
  const node = el("section", { class: "queue", "aria-labelledby": "queue-title", hidden: true },
    el("h2", { id: "queue-title" }, "In the making"), list);
  const rows = new Map();

  function draw() {
    const shown = [...jobs.running(), ...jobs.queued(), ...jobs.over()];
    node.hidden = !shown.length;
    for (const id of [...rows.keys()]) {
      if (!shown.some((job) => job.id === id)) { rows.get(id).node.remove(); rows.delete(id); }
    }
    const waits = waiting(seconds);
    shown.forEach((job, place) => {
      if (!rows.has(job.id)) rows.set(job.id, row(job));
      const own = rows.get(job.id);
      own.show(job, waits.get(job.id));
      if (list.children[place] !== own.node) list.insertBefore(own.node, list.children[place] ?? null);
    });
  }

  jobs.addEventListener("change", draw);
  return { node, draw };
}

// By queued job: how many are before it, and the seconds until it begins where these are known.
function waiting(seconds) {
  const running = jobs.running();
  let left = running.reduce((sum, job) => sum + (job.seconds_left ?? seconds(job.preset) ?? NaN), 0);
  const found = new Map();
  jobs.queued().forEach((job, place) => {
    found.set(job.id, { before: place + running.length, seconds: Number.isFinite(left) ? left : undefined });
    left += seconds(job.preset) ?? NaN;
  });
  return found;
}

function row(job) {
  const picture = el("img", { alt: "", width: 64, height: 64, hidden: true });
  const line = el("p", { class: "quiet" });
  const bar = el("progress", { max: 1, "aria-label": `Progress of ${job.prompt}` });
  const acts = el("div", { class: "acts" });
  const node = el("li", { class: "job" }, el("div", { class: "picture small" }, picture),
    el("div", { class: "grow" }, el("p", { class: "prompt" }, job.prompt), line, bar), acts);
  let stood = null;

  function show(now, wait) {
    node.dataset.state = now.state;
    const first = now.state === "running" && now.images[0] ? `/v1/pictures/${now.images[0].picture}` : null;
    const shown = now.preview ?? first;
    if (shown && picture.getAttribute("src") !== shown) picture.src = shown;
    picture.hidden = !shown;
    line.textContent = `seed ${now.seed} · ${told(now, wait)}`;
    bar.hidden = now.state !== "running";
    if (now.steps && now.step) bar.value = Math.min(now.step / now.steps, 1) * 0.9 + (now.step >= now.steps ? 0.05 : 0);
    else bar.removeAttribute("value");
    const stand = `${now.state} ${now.cancelling}`;
    if (stand === stood) return;
    stood = stand;
    fill(acts, actions(now));
  }
  return { node, show };
}

function told(job, wait) {
  if (job.state === "running") {
    if (job.cancelling) return "stopping at the next step";
    const left = job.step < job.steps && job.seconds_left ? `, ${about(job.seconds_left)} of steps left` : "";
    return `${phase(job.phase)}${job.step ? `, step ${job.step} of ${job.steps}` : ""}${left}`;
  }
  if (job.state === "queued") {
    const place = wait?.before ? `waits behind ${many(wait.before, "other")}` : "is next";
    return `${place}${wait?.seconds ? `, begins in ${about(wait.seconds)}` : ""}`;
  }
  return job.state === "failed" ? job.error || "failed" : "cancelled; it can go on from where it was";
}

function actions(job) {
  const act = (text, does, label) => el("button", {
    type: "button", "aria-label": `${label} ${job.prompt}`, onclick: () => Promise.resolve(does(job)).catch(complain),
  }, text);
  if (job.state === "running" || job.state === "queued") {
    return job.cancelling ? [] : [act("Cancel", jobs.cancel, "Cancel")];
  }
  return [act("Try again", jobs.retry, "Try again:"), act("×", jobs.dismiss, "Hide")];
}
