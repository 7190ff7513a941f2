// Questions to the server; what it refuses becomes an error with its own words.

async function problem(answer) {
  let said = {};
  try { said = await answer.json(); } catch { /* no JSON: the status has to do */ }
  const text = typeof said.error === "string" ? said.error : `The server answers ${answer.status}.`;
  return Object.assign(new Error(text), { status: answer.status });
}

async function ask(method, url, body) {
  const file = body instanceof Blob; // is sent as it is
  const type = file ? "application/octet-stream" : "application/json";
  let answer;
  try {
    answer = await fetch(url, {
      method,
      headers: body === undefined ? {} : { "Content-Type": type },
      body: body === undefined || file ? body : JSON.stringify(body),
    });
  } catch {
    throw new Error("The server does not answer. Is `dreamlab app` still running?");
  }
  if (!answer.ok) throw await problem(answer);
  return answer;
}

const json = async (method, url, body) => (await ask(method, url, body)).json();
export const get = (url) => json("GET", url);
export const post = (url, body = {}) => json("POST", url, body);
export const patch = (url, body) => json("PATCH", url, body);
export const del = (url) => json("DELETE", url);
export const bytes = async (url) => new Uint8Array(await (await ask("GET", url)).arrayBuffer());

// A file that the server makes for us, saved under the name that it says.
export async function save(url, body) {
  const answer = await ask("POST", url, body);
  const named = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") || "");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = named ? named[1] : "export";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  return link.download;
}

export const query = (values) => new URLSearchParams(
  Object.entries(values).filter(([, v]) => v !== undefined && v !== null && v !== "" && v !== false)).toString();
