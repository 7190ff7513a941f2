// A small glTF viewer: one GLB of this project's own writing, WebGL2, orbit controls, no dependencies.
"use strict";

// Show the GLB in `bytes` on a canvas. say(text): what to tell instead of, or below, the picture. moved(camera): the
// hands have turned it. Returns what changes the picture, or null where the browser has no WebGL 2.
async function showModel(canvas, bytes, { say = () => {}, moved = () => {} } = {}) {
  const gl = canvas.getContext("webgl2", { antialias: true, alpha: true, preserveDrawingBuffer: true });
  if (!gl) {
    say("This browser has no WebGL 2: the turntable shows the model instead.");
    canvas.hidden = true;
    return null;
  }

  // ---- the file: one primitive, or one for each named part ----
  const WEBP = "EXT_texture_webp";
  function parse() {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const length = view.getUint32(12, true);
    const json = JSON.parse(new TextDecoder().decode(bytes.subarray(20, 20 + length)));
    const start = 20 + length + 8;
    const slice = (index) => {
      const v = json.bufferViews[index];
      return bytes.subarray(start + v.byteOffset, start + v.byteOffset + v.byteLength);
    };
    const packed = (json.extensionsRequired ?? []).filter((name) => name !== WEBP);
    if (packed.length) throw new Error(`it is packed by ${packed.join(", ")}`);
    return { json, slice, primitives: json.meshes.flatMap((mesh) => mesh.primitives), material: json.materials[0] };
  }

  const file = parse();
  const accessors = file.json.accessors;

  function attribute(primitive, name, location) {
    const index = primitive.attributes[name];
    if (index === undefined) return;
    const a = accessors[index];
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, file.slice(a.bufferView), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, Number(a.type[3]), a.componentType, !!a.normalized, 0, 0);
  }

  // ---- the shader: the same light as in the rendered pictures ----
  const VERTEX = `#version 300 es
    layout(location=0) in vec3 position; layout(location=1) in vec3 normal; layout(location=2) in vec2 uv;
    layout(location=3) in vec4 colour; layout(location=4) in vec4 tangent;
    uniform mat4 clip; uniform float pull; out vec3 n; out vec2 st; out vec3 rgb; out vec4 t;
    void main() { gl_Position = clip * vec4(position, 1.0); gl_Position.z -= pull * gl_Position.w;
      n = normal; st = uv; rgb = colour.rgb; t = tangent; }`;
  const FRAGMENT = `#version 300 es
    precision highp float;
    in vec3 n; in vec2 st; in vec3 rgb; in vec4 t; out vec4 result;
    uniform sampler2D albedo, bump; uniform bool textured, bumped; uniform int style; uniform vec3 key, tint;
    vec3 srgb(vec3 c) { return mix(c * 12.92, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c)); }
    void main() {
      if (style == 3) { result = vec4(0.13, 0.16, 0.22, 1.0); return; }
      vec3 normal = normalize(n);
      if (bumped) {
        vec3 local = texture(bump, st).xyz * 2.0 - 1.0;
        normal = normalize(local.x * t.xyz + local.y * cross(normal, t.xyz) * t.w + local.z * normal);
      }
      vec3 base = style == 4 ? vec3(0.48) : (textured ? texture(albedo, st).rgb : rgb) * tint;
      if (style == 1) { result = vec4(srgb(base), 1.0); return; }
      if (style == 2) { result = vec4(normal * 0.5 + 0.5, 1.0); return; }
      float shade = 0.62 * max(dot(normal, key), 0.0) + 0.16 * (normal.y + 1.0) + 0.2;
      result = vec4(srgb(min(base * shade, vec3(1.0))), 1.0);
    }`;

  function compile() {
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    return program;
  }

  const program = compile();
  gl.useProgram(program);
  const uniform = (name) => gl.getUniformLocation(program, name);

  async function texture(slot, unit, format, name, flag) {
    if (!slot) return;
    const { source: plain, extensions } = file.json.textures[slot.index];
    const source = file.json.images[plain ?? extensions[WEBP].source];
    const blob = new Blob([file.slice(source.bufferView)], { type: source.mimeType });
    const image = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, format, gl.RGBA, gl.UNSIGNED_BYTE, image);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    gl.uniform1i(uniform(name), unit);
    gl.uniform1i(uniform(flag), 1);
  }

  const elements = (data) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, data, gl.STATIC_DRAW);
    return buffer;
  };

  function part(primitive) {
    const bound = gl.createVertexArray();
    gl.bindVertexArray(bound);
    ["POSITION", "NORMAL", "TEXCOORD_0", "COLOR_0", "TANGENT"].forEach((name, k) => attribute(primitive, name, k));
    const spec = accessors[primitive.indices];
    const raw = file.slice(spec.bufferView).slice().buffer;
    const indices = new (spec.componentType === gl.UNSIGNED_SHORT ? Uint16Array : Uint32Array)(raw);
    const edges = new Uint32Array(indices.length * 2);
    for (let i = 0; i < indices.length; i += 3) {
      for (let k = 0; k < 3; k++) {
        edges[2 * (i + k)] = indices[i + k];
        edges[2 * (i + k) + 1] = indices[i + ((k + 1) % 3)];
      }
    }
    const factor = file.json.materials[primitive.material ?? 0].pbrMetallicRoughness.baseColorFactor;
    const grey = factor || "COLOR_0" in primitive.attributes ? 1 : 0.6;
    return {
      bound, grey, tint: (factor ?? [1, 1, 1]).slice(0, 3), type: spec.componentType, count: indices.length,
      triangles: elements(indices), wires: elements(edges),
    };
  }

  const parts = file.primitives.map(part);

  function drawParts(wires) {
    for (const { bound, grey, tint, type, count, triangles, wires: edges } of parts) {
      gl.bindVertexArray(bound);
      gl.vertexAttrib4f(3, grey, grey, grey, 1);
      gl.uniform3fv(uniform("tint"), tint);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, wires ? edges : triangles);
      if (wires) gl.drawElements(gl.LINES, 2 * count, gl.UNSIGNED_INT, 0);
      else gl.drawElements(gl.TRIANGLES, count, type, 0);
    }
  }

  // ---- the camera: orbit around the middle of the box ----
  const positions = file.primitives.map((primitive) => accessors[primitive.attributes.POSITION]);
  const side = (pick, name) => [0, 1, 2].map((k) => pick(...positions.map((each) => each[name][k])));
  const [min, max] = [side(Math.min, "min"), side(Math.max, "max")];
  const middle = min.map((v, i) => (v + max[i]) / 2);
  let radius = 1e-9;
  for (const { bufferView } of positions) {
    const corners = new Float32Array(file.slice(bufferView).slice().buffer);
    for (let i = 0; i < corners.length; i += 3) {
      radius = Math.max(radius, Math.hypot(...middle.map((m, k) => corners[i + k] - m)));
    }
  }
  const FOVY = 0.6;
  const home = { azimuth: 0.5, elevation: 0.3, distance: 1.02 * radius / Math.sin(FOVY / 2) };
  const camera = { ...home };
  let style = 0;
  let gone = false;
  let turning = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  let dirty = true;

  function axes() {
    const { azimuth: a, elevation: e } = camera;
    return {
      right: [Math.cos(a), 0, -Math.sin(a)],
      up: [-Math.sin(e) * Math.sin(a), Math.cos(e), -Math.sin(e) * Math.cos(a)],
      back: [Math.cos(e) * Math.sin(a), Math.sin(e), Math.cos(e) * Math.cos(a)],
    };
  }

  function clipMatrix({ right, up, back }) {
    const d = camera.distance, near = d * 0.02, far = d * 10 + radius * 4;
    const eye = middle.map((m, i) => m + back[i] * d);
    const dot = (u) => -(u[0] * eye[0] + u[1] * eye[1] + u[2] * eye[2]);
    const f = 1 / Math.tan(FOVY / 2), aspect = canvas.width / canvas.height;
    const wide = aspect < 1 ? aspect : 1; // a narrow window sees the whole model too
    const fx = (f * wide) / aspect, fy = f * wide;
    const za = (far + near) / (near - far), zb = (2 * far * near) / (near - far);
    return new Float32Array([0, 1, 2].flatMap((i) => [fx * right[i], fy * up[i], za * back[i], -back[i]])
      .concat([fx * dot(right), fy * dot(up), za * dot(back) + zb, -dot(back)]));
  }

  function draw() {
    const scale = Math.min(devicePixelRatio || 1, 2);
    const [w, h] = [canvas.clientWidth * scale, canvas.clientHeight * scale].map((v) => Math.max(1, Math.round(v)));
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    gl.viewport(0, 0, w, h);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    const frame = axes();
    const key = [0, 1, 2].map((i) => -0.451 * frame.right[i] + 0.651 * frame.up[i] + 0.611 * frame.back[i]);
    gl.uniformMatrix4fv(uniform("clip"), false, clipMatrix(frame));
    gl.uniform3fv(uniform("key"), key);
    gl.uniform1i(uniform("style"), style === 3 ? 4 : style);
    gl.uniform1f(uniform("pull"), 0.0);
    drawParts(false);
    if (style === 3) {
      gl.uniform1i(uniform("style"), 3);
      gl.uniform1f(uniform("pull"), 0.002); // towards the eye: else faces that are seen at a slant hide their own edges
      drawParts(true);
    }
  }

  let last = 0;
  function tick(now) {
    if (gone) return;
    if (turning) { camera.azimuth += Math.min(now - last, 50) * 0.0004; dirty = true; moved(where()); }
    last = now;
    if (dirty) { dirty = false; draw(); }
    requestAnimationFrame(tick);
  }

  // ---- hands; a distance is told in radii, so that objects of any size can share a camera ----
  const where = () => ({ ...camera, distance: camera.distance / radius });
  const pointers = new Map();
  const zoom = (factor) => {
    camera.distance = Math.min(Math.max(camera.distance * factor, radius * 1.1), radius * 20);
    dirty = true;
    moved(where());
  };
  const orbit = (dx, dy) => {
    turning = false;
    camera.azimuth -= dx * 0.008;
    camera.elevation = Math.min(Math.max(camera.elevation + dy * 0.008, -1.5), 1.5);
    dirty = true;
    moved(where());
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  canvas.addEventListener("pointerdown", (e) => {
    canvas.setPointerCapture(e.pointerId);
    pointers.set(e.pointerId, { x: e.clientX, y: e.clientY });
  });
  canvas.addEventListener("pointermove", (e) => {
    const old = pointers.get(e.pointerId);
    if (!old) return;
    const before = pointers.size === 2 ? spread() : 0;
    pointers.set(e.pointerId, { x: e.clientX, y: e.clientY });
    if (pointers.size === 1) orbit(e.clientX - old.x, e.clientY - old.y);
    else if (pointers.size === 2) zoom(before / Math.max(spread(), 1));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (e) => pointers.delete(e.pointerId));
  }
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoom(Math.exp(e.deltaY * 0.001)); }, { passive: false });
  canvas.addEventListener("dblclick", () => { Object.assign(camera, home); dirty = true; moved(where()); });
  canvas.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [20, 0], ArrowRight: [-20, 0], ArrowUp: [0, 20], ArrowDown: [0, -20] }[e.key];
    if (step) { e.preventDefault(); orbit(...step); }
    if (e.key === "+" || e.key === "-") zoom(e.key === "+" ? 0.9 : 1.1);
  });
  const resized = new ResizeObserver(() => { dirty = true; });
  resized.observe(canvas);

  // ---- a graphics card that was lost, as by sleep or a crashed driver, comes back with nothing on it ----
  canvas.addEventListener("webglcontextlost", (e) => {
    e.preventDefault(); // asks for it to be given back
    dirty = false; turning = false;
    if (!gone) say("The graphics card was lost; the model comes back with it.");
  });
  canvas.addEventListener("webglcontextrestored", () => { if (!gone) location.reload(); });

  gl.uniform1i(uniform("bump"), 1);
  await Promise.all([
    texture(file.material.pbrMetallicRoughness.baseColorTexture, 0, gl.SRGB8_ALPHA8, "albedo", "textured"),
    texture(file.material.normalTexture, 1, gl.RGBA8, "bump", "bumped"),
  ]);
  draw();
  requestAnimationFrame(tick);
  return {
    where,
    look({ azimuth, elevation, distance }) {
      turning = false;
      Object.assign(camera, { azimuth, elevation, distance: distance * radius });
      dirty = true;
    },
    home() { Object.assign(camera, home); dirty = true; },
    dress(number) { style = number; dirty = true; }, // 0 lit, 1 albedo, 2 normal, 3 wireframe, 4 clay
    close() {
      gone = true;
      resized.disconnect();
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}
