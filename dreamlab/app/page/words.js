// How things are said.

export function took(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60 ? `${s % 60} s` : ""}`.trim();
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export function clock(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const s = Math.round(seconds);
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")} min`;
}

export function about(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 50) return `about ${Math.max(5, 5 * Math.round(seconds / 5))} s`;
  if (seconds < 3600) return `about ${Math.max(1, Math.round(seconds / 60))} min`;
  return `about ${(seconds / 3600).toFixed(1)} h`;
}

export function when(moment) {
  const date = new Date(moment);
  if (!moment || Number.isNaN(date.getTime())) return "";
  const today = new Date();
  if (date.toDateString() === today.toDateString()) {
    return date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  }
  const sameYear = date.getFullYear() === today.getFullYear();
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }) });
}

export function told(value) {
  if (value === undefined || value === null) return "–";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (typeof value === "number") {
    return Number.isInteger(value) ? value.toLocaleString("en") : Number(value.toPrecision(4)).toString();
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function state(run) {
  const at = `${run.step ?? 0} of ${run.steps} steps`;
  return { done: "done", running: `running, ${at}`, failed: run.why ? `failed: ${run.why}` : "failed", stopped: `stopped at ${at}` }[run.state];
}

export const PHASES = {
  load: "loading the prior", embed: "reading the prompt", shape: "shaping", extract: "taking the surface",
  clean: "cleaning the surface", refine: "refining", simplify: "reducing faces", texture: "painting the texture",
  export: "writing files", turntable: "filming",
};
export const phase = (name) => PHASES[name] ?? name ?? "starting";
export const many = (n, one, more = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;
