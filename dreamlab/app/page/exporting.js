// Files anew: other formats, sizes, colours. The server writes them one export at a time.

import { save } from "./api.js";
import { complain, el, toast } from "./dom.js";

const FORMATS = [
  ["glb", "GLB", "most programs"], ["obj", "OBJ", "older programs"], ["stl", "STL", "3D printing"], ["3mf", "3MF", "3D printing, in colour"],
  ["ply", "PLY", "colours at vertices"], ["usdz", "USDZ", "Apple"], ["splat.ply", "Splats", "Gaussian splats"],
];

const STYLES = [
  "low-poly", "voxel", "toon", "clay", "gold", "silver", "bronze", "wood", "stone", "marble", "glass",
];

export function exportForm(run) {
  const boxes = FORMATS.map(([value, name, what]) => [value, el("label", { class: "box", title: what },
    el("input", { type: "checkbox", value, checked: value === "glb" }), ` ${name} `, el("small", { class: "quiet" }, what))]);
  const input = (name, props) => el("input", { id: `export-${name}`, autocomplete: "off", ...props });
  const select = (name, options) => el("select", { id: `export-${name}` }, options.map(([value, text]) => el("option", { value }, text)));
  const own = {
    size: input("size", { type: "text", maxlength: 20, placeholder: "as it is; 12cm, real" }),
    faces: input("faces", { type: "number", min: 4, max: 500000, placeholder: "as it is" }),
    recolor: input("recolor", { type: "text", placeholder: "red = navy, white = gold" }),
    texture: select("texture", [["", "as it is"], ["512", "512 px"], ["1024", "1024 px"], ["2048", "2048 px"], ["0", "none, colours at vertices"]]),
    style: select("style", [["", "as it is"], ...STYLES.map((name) => [name, name])]),
    palette: select("palette", [["", "as it is"], ["auto", "auto"], ["on", "on: flat colours"], ["off", "off"]]),
    origin: select("origin", [["", "as it is"], ["keep", "keep"], ["centre", "centre"], ["base", "base: it stands on 0"]]),
  };
  const go = el("button", { type: "submit" }, "Export and download");
  const line = el("p", { class: "quiet", role: "status" });
  const label = (text, node) => el("div", { class: "field" }, el("label", { for: node.id }, text), node);
  const form = el("form", { novalidate: true, "aria-label": "Export" },
    el("fieldset", {}, el("legend", {}, "Formats"), el("div", { class: "boxes" }, boxes.map(([, box]) => box))),
    el("div", { class: "fields" }, label("Longest side", own.size), label("Faces at most", own.faces),
      label("Other colours", own.recolor), label("Texture", own.texture), label("Style", own.style),
      label("Palette", own.palette), label("Origin", own.origin)), go, line);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const formats = boxes.filter(([, box]) => box.querySelector("input").checked).map(([value]) => value);
    if (!formats.length) { toast("Choose a format first", { bad: true }); return; }
    go.disabled = true;
    line.textContent = "Writing the files; this can take a minute.";
    try {
      const name = await save(`${run.url}/export`, { formats, ...options(own) });
      line.textContent = `${name} is written.`;
    } catch (error) { line.textContent = ""; complain(error); } finally { go.disabled = false; }
  });
  return form;
}

function options(own) {
  const said = Object.fromEntries(Object.entries(own).map(([key, node]) => [key, node.value.trim()]).filter(([, v]) => v));
  for (const key of ["faces", "texture"]) if (key in said) said[key] = Number(said[key]);
  if (said.recolor) {
    said.recolor = Object.fromEntries(said.recolor.split(",").filter((pair) => pair.trim()).map((pair) => {
      const [old, fresh] = pair.split("=").map((word) => word.trim());
      if (!old || !fresh) throw new Error(`A colour is changed by OLD = NEW, such as red = navy; this is “${pair.trim()}”.`);
      return [old, fresh];
    }));
  }
  return said;
}
