// The jobs of the server, kept as they change: a stream of changes of state, and a look at the running ones twice
// in three seconds. While the page is not seen it asks for nothing.

import { del, get, post } from "./api.js";
import { say } from "./dom.js";
import { phase } from "./words.js";

export const jobs = new EventTarget();
const known = new Map();
const DISMISSED = "dreamlab-dismissed", DAY = 864e5;
const dismissed = new Set(JSON.parse(localStorage.getItem(DISMISSED) ?? "[]"));
let stream = null;
let timer = null;

const changed = () => jobs.dispatchEvent(new Event("change"));
const byTime = (a, b) => a.submitted.localeCompare(b.submitted);
const inState = (...states) => [...known.values()].filter((job) => states.includes(job.state)).sort(byTime);
jobs.running = () => inState("running");
jobs.queued = () => inState("queued");
jobs.over = () => inState("failed", "cancelled").filter((job) => !dismissed.has(job.id));

function take(job) {
  const before = known.get(job.id);
  known.set(job.id, job);
  if (before && before.state !== job.state) {
    jobs.dispatchEvent(new CustomEvent("state", { detail: job }));
    say(`${job.prompt}: ${job.state}`);
  } else if (before && before.phase !== job.phase && job.state === "running") {
    say(`${job.prompt}: ${phase(job.phase)}`);
  }
}

async function look() {
  const [running, queued, failed] = await Promise.all(
    ["running", "queued", "failed"].map((state) => get(`/v1/jobs?limit=500&state=${state}`)));
  const now = new Set([...running.jobs, ...queued.jobs].map((job) => job.id));
  const left = inState("running", "queued").filter((job) => !now.has(job.id));
  const ended = await Promise.all(left.map((job) => get(`/v1/jobs/${job.id}`)));
  const lately = failed.jobs.filter((job) => Date.now() - Date.parse(job.finished) < DAY);
  [...lately, ...running.jobs, ...queued.jobs, ...ended].forEach(take);
  changed();
}

async function beat() {
  try {
    const fresh = await Promise.all(jobs.running().map((job) => get(`/v1/jobs/${job.id}`)));
    fresh.forEach(take);
    if (fresh.length) changed();
  } catch { /* the stream says when the server is back */ }
  timer = setTimeout(beat, 1500);
}

function listen() {
  stream = new EventSource("/v1/events");
  for (const name of ["queued", "running", "finished", "failed", "cancelled"]) {
    stream.addEventListener(name, (event) => { take(JSON.parse(event.data)); changed(); });
  }
  stream.addEventListener("open", () => { look().catch(() => {}); jobs.dispatchEvent(new Event("online")); });
  stream.addEventListener("error", () => jobs.dispatchEvent(new Event("offline")));
}

function follow() {
  const seen = document.visibilityState === "visible";
  if (seen && !stream) { listen(); beat(); }
  if (!seen && stream) { stream.close(); stream = null; clearTimeout(timer); }
}

jobs.start = () => {
  document.addEventListener("visibilitychange", follow);
  follow();
};

jobs.submit = async (order) => {
  const made = await post("/v1/jobs", order);
  const list = made.jobs ?? [made];
  list.forEach(take);
  changed();
  return list;
};
jobs.cancel = async (job) => { take(await del(`/v1/jobs/${job.id}`)); changed(); };
jobs.retry = async (job) => { dismissed.delete(job.id); take(await post(`/v1/jobs/${job.id}/retry`)); changed(); };
jobs.dismiss = (job) => {
  dismissed.add(job.id);
  localStorage.setItem(DISMISSED, JSON.stringify([...dismissed].slice(-200)));
  changed();
};
