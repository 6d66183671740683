// A plane with emotion words on it and a handle. `point` is saved when the handle is let go, not while it moves.

const SVG = "http://www.w3.org/2000/svg";
const STEP = 0.05;
const KEYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const REST = 400; // milliseconds without a key after which the handle counts as let go

const clamp = (x) => Math.max(-1, Math.min(1, x));
const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(2);

function inWords([valence, arousal]) {
  const side = (x, below, above) => (Math.abs(x) < STEP / 2 ? "neutral" : x < 0 ? below : above);
  return (
    `valence ${signed(valence)}, ${side(valence, "unpleasant", "pleasant")}; ` +
    `arousal ${signed(arousal)}, ${side(arousal, "quiet", "stirred")}`
  );
}

function draw(parent, tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  parent.appendChild(element);
  return element;
}

function render({ model, el }) {
  const [width, height] = model.get("size");
  const [right, up] = model.get("reach");
  const toX = (valence) => width / 2 + valence * right;
  const toY = (arousal) => height / 2 - arousal * up;
  const svg = draw(el, "svg", { viewBox: `0 0 ${width} ${height}`, class: "emovec-pad" });
  svg.style.cssText =
    `display:block;width:100%;max-width:${width}px;background:white;border:1px solid #888;border-radius:4px;` +
    "touch-action:none;user-select:none;cursor:crosshair;font:11px sans-serif";
  draw(svg, "style", {}, ".handle{outline:none} .handle:focus-visible .ring{stroke:black;stroke-width:3}");

  const axis = { stroke: "#767676", "stroke-width": 1, "stroke-dasharray": "3 3" };
  draw(svg, "line", { x1: toX(-1), x2: toX(1), y1: toY(0), y2: toY(0), ...axis });
  draw(svg, "line", { x1: toX(0), x2: toX(0), y1: toY(-1), y2: toY(1), ...axis });
  const words = draw(svg, "g", { fill: "black", "aria-hidden": "true" });
  for (const { name, x, y, side } of model.get("labels")) {
    draw(words, "circle", { cx: toX(x), cy: toY(y), r: 3, fill: "#0072b2" });
    const anchor = side[0] > 0 ? "start" : "end";
    draw(words, "text", { x: toX(x) + 6 * side[0], y: toY(y) - 8 * side[1] + 4, "text-anchor": anchor }, name);
  }
  const end = { fill: "#444", "font-style": "italic", "aria-hidden": "true" };
  draw(svg, "text", { x: 6, y: toY(0) - 5, ...end }, "unpleasant");
  draw(svg, "text", { x: width - 6, y: toY(0) - 5, "text-anchor": "end", ...end }, "pleasant");
  draw(svg, "text", { x: toX(0) + 5, y: 14, ...end }, "stirred");
  draw(svg, "text", { x: toX(0) + 5, y: height - 6, ...end }, "quiet");

  const handle = draw(svg, "g", {
    class: "handle", tabindex: 0, role: "slider", "aria-roledescription": "two-dimensional slider",
    "aria-label": "point on the plane of valence and arousal; move it with the arrow keys",
    "aria-valuemin": -1, "aria-valuemax": 1,
  });
  const ring = draw(handle, "circle", { class: "ring", r: 11, fill: "none", stroke: "none" });
  const dot = draw(handle, "circle", { r: 8, fill: "#d55e00", stroke: "black", "stroke-width": 1.5 });

  let point = model.get("point");
  let timer = null;
  let dragging = false;

  function move(to) {
    point = to.map(clamp);
    for (const circle of [ring, dot]) {
      circle.setAttribute("cx", toX(point[0]));
      circle.setAttribute("cy", toY(point[1]));
    }
    handle.setAttribute("aria-valuenow", point[0].toFixed(2));
    handle.setAttribute("aria-valuetext", inWords(point));
  }

  function letGo() {
    clearTimeout(timer);
    timer = null;
    model.set("point", point);
    model.save_changes();
  }

  function follow(event) {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    move([(x - width / 2) / right, (height / 2 - y) / up]);
  }

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    clearTimeout(timer);
    dragging = true;
    svg.setPointerCapture(event.pointerId);
    follow(event);
    handle.focus({ preventScroll: true });
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => {
    if (dragging) follow(event);
  });
  svg.addEventListener("pointerup", (event) => {
    if (!dragging) return;
    dragging = false;
    follow(event);
    letGo();
  });
  svg.addEventListener("pointercancel", () => {
    dragging = false;
    move(model.get("point"));
  });

  handle.addEventListener("keydown", (event) => {
    const by = KEYS[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // or the notebook moves to another cell, in front ends that listen for it
    clearTimeout(timer);
    // On a grid, so that the arrow keys find back to the centre.
    move(point.map((x, i) => Math.round(x / STEP + by[i]) * STEP));
  });
  handle.addEventListener("keyup", (event) => {
    if (!KEYS[event.key]) return;
    event.stopPropagation();
    clearTimeout(timer);
    timer = setTimeout(letGo, REST);
  });

  const moved = () => dragging || move(model.get("point"));
  model.on("change:point", moved);
  move(point);
  return () => {
    clearTimeout(timer);
    model.off("change:point", moved);
  };
}

export default { render };
