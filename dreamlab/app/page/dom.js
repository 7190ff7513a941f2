// Elements are made here, of text: nothing that a person wrote is ever read as HTML.

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "hidden") node[key] = value;
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  add(node, children);
  return node;
}

export function add(node, children) {
  for (const child of children.flat(9)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
}

export function fill(node, ...children) {
  node.replaceChildren();
  add(node, children);
  return node;
}

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// A line at the bottom for a while; with an action, which leaves more time for it.
export function toast(text, { action, does, bad = false } = {}) {
  const gone = () => node.remove();
  const node = el("div", { class: bad ? "toast bad" : "toast" }, el("span", {}, text),
    action && el("button", { type: "button", onclick: () => { gone(); does(); } }, action),
    el("button", { type: "button", class: "plain", "aria-label": "Close this message", onclick: gone }, "×"));
  const holder = document.getElementById("toasts");
  holder.append(node);
  while (holder.children.length > 3) holder.firstChild.remove();
  setTimeout(gone, action || bad ? 12000 : 6000);
}

// Something fails: say it in the server's own words.
export const complain = (error) => toast(error.message, { bad: true });

// For those who hear the page: what changes on it by itself.
export const say = (text) => { document.getElementById("heard").textContent = text; };

export function dialog(title, ...children) {
  const close = el("button", { type: "button", class: "plain", "aria-label": "Close" }, "×");
  const node = el("dialog", { "aria-label": title },
    el("div", { class: "between" }, el("h2", {}, title), close), children);
  close.addEventListener("click", () => node.close());
  node.addEventListener("click", (e) => { if (e.target === node) node.close(); });
  node.addEventListener("close", () => node.remove());
  document.body.append(node);
  node.showModal();
  return node;
}
