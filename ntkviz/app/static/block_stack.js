// A stack of blocks (pages/block_stack.py): those of a kit are dragged into it, along it and out of it, by mouse, finger
// or keys. Python gets the names of the blocks, and returns the program's text, which is shown and never run here.

const DRAG_PX = 6; // a press that moves less is a click
const REACH_PX = 10; // how far outside the stack a block may be let go and still belong to it
const EARLIER = new Set(["ArrowLeft", "ArrowUp"]);
const LATER = new Set(["ArrowRight", "ArrowDown"]);
const HELP = worded("Enter adds a block of the kit at the end; arrow keys move a block of the stack, Delete removes it.");

function made(tag, className = "", attributes = {}, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const button = (className, text, attributes = {}) => made("button", className, { type: "button", ...attributes }, text);

function moved(list, from, to) {
  const others = list.toSpliced(from, 1);
  return others.toSpliced(to, 0, list[from]);
}

// Selects the text where the clipboard is not available: on plain http from another machine.
async function copy(text, shown, element) {
  const label = element.textContent;
  try {
    await navigator.clipboard.writeText(text);
    element.textContent = worded("Copied");
  } catch {
    getSelection().selectAllChildren(shown);
    element.textContent = worded("Selected");
  }
  setTimeout(() => (element.textContent = label), 1500);
}

function render({ model, el }) {
  const kit = model.get("kit");
  const most = model.get("most");
  const blocks = () => model.get("value").split(" ").filter(Boolean);
  const full = () => blocks().length >= most;

  const presets = made("select", "", { "aria-label": worded("preset") });
  const palette = made("div", "nv-palette", { role: "toolbar", "aria-label": worded("Kit of blocks") });
  const list = made("ol", "nv-blocks", { "aria-label": worded("Your stack of blocks, from input to output") });
  const [input, output] = ["Uξ", worded("readout")].map((end) => made("span", "nv-stack-end", {}, end));
  const place = made("div", "nv-stack-place", {}, input, list, output);
  const said = made("div", "nv-heard", { "aria-live": "polite" });
  const help = made("div", "nv-heard", { id: "nv-stack-help" }, HELP);
  const code = made("code");
  const program = made("pre", "", { tabindex: 0, role: "region", "aria-label": worded("The network in Python") }, code);
  const copying = button("nv-button", worded("Copy"), { title: worded("Copy this program") });
  copying.addEventListener("click", () => copy(code.textContent, code, copying));

  const head = (title, ...others) => made("div", "nv-stack-head", {}, made("b", "", {}, title), ...others);
  const editor = made("div", "nv-stack-editor", {}, head(worded("Blocks"), presets), palette, place, said, help);
  el.append(editor, made("div", "nv-python", {}, head(worded("In Python"), copying), program));

  const announce = (words) => (said.textContent = words);
  const placed = (name, k) => ({ name, k: k + 1, count: blocks().length });

  // Everything that changes the stack ends here; the focus goes to the block at `focused`.
  function become(next, words, focused) {
    model.set("value", next.join(" "));
    model.save_changes();
    if (focused !== undefined) chip(Math.min(focused, blocks().length - 1))?.focus({ preventScroll: true });
    announce(words(blocks()));
  }

  const chip = (k) => list.children[k]?.querySelector(".nv-block") ?? palette.firstElementChild;

  function add(name, at = blocks().length) {
    if (full()) return announce(worded("The stack is full: it has {most} blocks. Remove one first.", { most }));
    become(blocks().toSpliced(at, 0, name), () => worded("{name} is now block {k} of {count}.", placed(name, at)));
  }

  function shift(from, to) {
    if (to < 0 || to >= blocks().length) return;
    const name = blocks()[from];
    become(moved(blocks(), from, to), () => worded("{name} is now block {k} of {count}.", placed(name, to)), to);
  }

  function remove(k) {
    const name = blocks()[k];
    const told = ({ length }) => worded("{name} is removed; {length} of {most} blocks are left.", { name, length, most });
    become(blocks().toSpliced(k, 1), told, k);
  }

  // ---- Keys ----

  function pressed(event, k) {
    const by = EARLIER.has(event.key) ? -1 : LATER.has(event.key) ? 1 : 0;
    const removes = event.key === "Delete" || event.key === "Backspace";
    if ((!by && !removes) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // arrow keys play the steps while the picture is presented
    if (removes) remove(k);
    else shift(k, k + by);
  }

  // The kit is one stop for the Tab key, and arrow keys go through it.
  function walk(event) {
    const by = EARLIER.has(event.key) ? -1 : LATER.has(event.key) ? 1 : 0;
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const buttons = [...palette.children];
    const next = buttons[(buttons.indexOf(event.target) + by + buttons.length) % buttons.length];
    buttons.forEach((one) => (one.tabIndex = one === next ? 0 : -1));
    next.focus();
  }

  // ---- Dragging ----

  let dragged = false; // a click is reported after a drag as well
  let drag = null; // the block that is held: its name, its place in the stack (none if it is of the kit), where it is

  function grab(event, name, from) {
    dragged = false;
    if (event.button) return;
    drag = { name, from, chip: event.currentTarget, x: event.clientX, y: event.clientY, ghost: null, to: null };
    drag.chip.setPointerCapture(event.pointerId);
  }

  function lift() {
    dragged = true;
    drag.ghost = made("div", "nv-block nv-ghost", {}, drag.name);
    drag.gap = made("li", "nv-gap", { "aria-hidden": "true" });
    drag.gap.style.width = `${drag.chip.offsetWidth}px`;
    document.body.append(drag.ghost); // a presented picture is enlarged, and would enlarge its distances, too
    el.classList.add("nv-dragging");
    if (drag.from !== undefined) list.children[drag.from].classList.add("nv-held");
    drag.boxes = others().map((item) => item.getBoundingClientRect()); // where they are without the gap: nothing flickers
  }

  function pull(event) {
    if (!drag) return;
    if (!drag.ghost && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < DRAG_PX) return;
    if (!drag.ghost) lift();
    drag.ghost.style.transform = `translate(${event.clientX}px, ${event.clientY}px) translate(-50%, -60%)`;
    drag.to = target(event.clientX, event.clientY);
    if (drag.to === null) return drag.gap.remove();
    list.insertBefore(drag.gap, others()[drag.to] ?? null);
  }

  const others = () => [...list.children].filter((item) => item !== drag.gap && !item.matches(".nv-held"));

  // The place in the stack at a point: behind all blocks that are above it, or left of it in its row.
  function target(x, y) {
    const zone = place.getBoundingClientRect();
    const near = (at, low, high) => at > low - REACH_PX && at < high + REACH_PX;
    const inside = near(x, zone.left, zone.right) && near(y, zone.top, zone.bottom);
    if (!inside || (drag.from === undefined && full())) return null;
    return drag.boxes.filter((box) => box.bottom < y || (box.top <= y && (box.left + box.right) / 2 < x)).length;
  }

  function release(event) {
    if (!drag) return;
    const { name, from, to, ghost, gap } = drag;
    drag = null;
    if (!ghost) return; // a click
    ghost.remove();
    gap.remove();
    el.classList.remove("nv-dragging");
    draw();
    if (event.type !== "pointerup") return;
    if (from === undefined) to === null ? full() && add(name) : add(name, to);
    else if (to === null) remove(from);
    else if (to !== from) shift(from, to);
  }

  function draggable(element, name, from) {
    element.addEventListener("pointerdown", (event) => grab(event, name, from));
    element.addEventListener("pointermove", pull);
    for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, release);
    return element;
  }

  // ---- Drawing ----

  function ofKit({ name, hint }, k) {
    const label = { title: hint, "aria-label": worded("add {name}: {hint}", { name, hint }), tabindex: k ? -1 : 0 };
    const block = draggable(button("nv-block", name, label), name);
    block.addEventListener("click", ({ detail }) => {
      if (!dragged || !detail) add(name); // by keys there is no detail
    });
    return block;
  }

  function ofStack(name, k) {
    const label = { "aria-label": worded("{name}, block {k} of {count}", placed(name, k)), "aria-describedby": help.id };
    const block = draggable(button("nv-block", name, label), name, k);
    block.addEventListener("keydown", (event) => pressed(event, k));
    const removing = worded("Remove {name}, block {k} of {count}", placed(name, k));
    const away = button("nv-away", "×", { tabindex: -1, "aria-label": removing });
    away.addEventListener("click", () => remove(k));
    const item = made("li", "", {}, block, away);
    for (const on of ["pointerenter", "focusin"]) item.addEventListener(on, () => light(k, true));
    for (const off of ["pointerleave", "focusout"]) item.addEventListener(off, () => light(k, false));
    return item;
  }

  // The lines of a block in the program.
  function light(k, lit) {
    code.querySelectorAll(`[data-place="${k}"]`).forEach((line) => line.classList.toggle("nv-lit-line", lit));
  }

  function draw() {
    if (drag) return; // until it is let go
    const held = [...list.children].findIndex((item) => item.contains(document.activeElement));
    list.replaceChildren(...blocks().map(ofStack));
    list.classList.toggle("nv-nothing", !blocks().length);
    if (held >= 0) chip(Math.min(held, blocks().length - 1))?.focus({ preventScroll: true });
    [...palette.children].forEach((one) => one.setAttribute("aria-disabled", String(full())));
    const known = model.get("presets").findIndex((preset) => preset.blocks === blocks().join(" "));
    presets.value = known < 0 ? "own" : String(known);
  }

  function write() {
    const lines = model.get("code").map(([text, at]) => made("span", "nv-line", { "data-place": at }, `${text}\n`));
    code.replaceChildren(...lines);
  }

  palette.append(...kit.map(ofKit));
  palette.addEventListener("keydown", walk);
  presets.append(made("option", "", { value: "own", disabled: "", hidden: "" }, worded("a network of your own")));
  presets.append(...model.get("presets").map(({ name }, k) => made("option", "", { value: k }, name)));
  presets.addEventListener("change", () => {
    const chosen = model.get("presets")[Number(presets.value)];
    const shown = { blocks: chosen.blocks || worded("empty") };
    become(chosen.blocks.split(" ").filter(Boolean), () => worded("The stack is now: {blocks}.", shown));
  });
  model.on("change:value", draw);
  model.on("change:code", write);
  draw();
  write();
  return () => {
    model.off("change:value", draw);
    model.off("change:code", write);
    drag?.ghost?.remove();
  };
}

export default { render };
