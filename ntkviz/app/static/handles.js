// Handles of a plot: things in it that stand for controls, moved by mouse, finger and arrow keys.
//
// Python lists them (`handles`, see pages/handles.py); each becomes a focusable slider over the plot. A move is sent to
// Python, which moves the controls. While it answers, only the newest place is kept, so that no moves pile up.

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1], PageDown: [0, -10], PageUp: [0, 10] };

const moves = (handle, letter) => handle[letter].step !== undefined;
const within = ({ low, high }, value) => Math.min(high, Math.max(low, value));
const handlePlace = (handle) => ({ x: handle.x.at, y: handle.y.at });

// As far as the handle moves; a coordinate that no control stands for stays.
function allowed(handle, { x, y }) {
  return {
    x: moves(handle, "x") ? within(handle.x, x) : handle.x.at,
    y: moves(handle, "y") ? within(handle.y, y) : handle.y.at,
  };
}

// The axes of plotly.js, which convert between data and pixels.
const axesOfHandle = (el, { axes }) => axes.map((name) => el._fullLayout[`${name[0]}axis${name.slice(1)}`]);

function dressed(grip, handle) {
  const main = handle[moves(handle, "y") ? "y" : "x"];
  const kind = moves(handle, "x") && moves(handle, "y") ? "both" : moves(handle, "x") ? "x" : "y";
  grip.className = `nv-grip nv-grip-${kind}`;
  const said = { label: handle.label, valuetext: handle.text, valuenow: main.at, valuemin: main.low, valuemax: main.high };
  for (const [name, value] of Object.entries(said)) grip.setAttribute(`aria-${name}`, value);
  grip.setAttribute("aria-orientation", kind === "x" ? "horizontal" : "vertical");
}

// Called in figure.js, which follows in the same module. Returns a function that ends it.
function showHandles(el, model) {
  const layer = document.createElement("div");
  layer.className = "nv-grips";
  el.append(layer);
  let held = null; // the handle that the reader has moved, and where, until Python has answered
  let newest = null; // what is to be sent when the answer has come
  let asked = false;
  let drag = null;

  const handles = () => model.get("handles") ?? [];

  function update() {
    const list = handles();
    while (layer.children.length > list.length) layer.lastChild.remove();
    while (layer.children.length < list.length) {
      const grip = document.createElement("div");
      grip.tabIndex = 0;
      grip.setAttribute("role", "slider");
      layer.append(grip);
    }
    list.forEach((handle, k) => dressed(layer.children[k], handle));
    position();
  }

  function position() {
    if (!el._fullLayout?.xaxis?._offset) return;
    handles().forEach((handle, k) => {
      const place = held?.number === k ? held.place : handlePlace(handle);
      const [x, y] = axesOfHandle(el, handle);
      const { style } = layer.children[k];
      style.left = `${x._offset + x.d2p(place.x)}px`;
      style.top = `${y._offset + y.d2p(place.y)}px`;
    });
  }

  function move(number, place) {
    held = { number, place: allowed(handles()[number], place) };
    position();
    if (asked) newest = held;
    else ask(held);
  }

  function ask({ number, place }) {
    asked = true;
    newest = null;
    model.send({ handle: number, ...place });
  }

  function answered(message) {
    if (!message.handled) return;
    asked = false;
    if (newest) ask(newest);
    else rest();
  }

  function rest() {
    if (!drag && !asked) held = null;
    position();
  }

  // In the pixels of the plot's own layout: a presented picture is enlarged.
  function pointer(event) {
    const box = el.getBoundingClientRect();
    const scale = el.offsetWidth / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  const centre = (grip) => [parseFloat(grip.style.left), parseFloat(grip.style.top)];

  // Where the reach of several overlaps, the nearest is meant.
  function grab(event) {
    if (event.button) return;
    event.preventDefault();
    const at = pointer(event);
    const far = [...layer.children].map((grip) => Math.hypot(centre(grip)[0] - at[0], centre(grip)[1] - at[1]));
    const number = far.indexOf(Math.min(...far));
    const [left, top] = centre(layer.children[number]);
    drag = { number, off: [left - at[0], top - at[1]] };
    layer.children[number].focus({ preventScroll: true });
    event.target.setPointerCapture(event.pointerId);
    layer.classList.add("nv-dragging");
  }

  function pull(event) {
    if (!drag) return;
    const [x, y] = axesOfHandle(el, handles()[drag.number]);
    const [left, top] = pointer(event).map((pixels, k) => pixels + drag.off[k]);
    move(drag.number, { x: x.p2d(left - x._offset), y: y.p2d(top - y._offset) });
  }

  function release() {
    drag = null;
    layer.classList.remove("nv-dragging");
    rest();
  }

  function press(event) {
    const number = [...layer.children].indexOf(event.target);
    const handle = handles()[number];
    let by = KEYS[event.key];
    if (!by || !handle || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // arrow keys play steps while the picture is presented
    if (!moves(handle, "x")) by = [0, by[0] + by[1]]; // all keys move what has one direction
    if (!moves(handle, "y")) by = [by[0] + by[1], 0];
    const from = held?.number === number ? held.place : handlePlace(handle);
    move(number, { x: from.x + by[0] * (handle.x.step ?? 0), y: from.y + by[1] * (handle.y.step ?? 0) });
  }

  layer.addEventListener("pointerdown", grab);
  layer.addEventListener("pointermove", pull);
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) layer.addEventListener(end, release);
  layer.addEventListener("keydown", press);
  el.on("plotly_afterplot", position);
  model.on("change:handles", update);
  model.on("msg:custom", answered);
  update();
  return () => {
    model.off("change:handles", update);
    model.off("msg:custom", answered);
  };
}
