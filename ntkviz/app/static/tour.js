// The steps of a chapter: its picture stays in view while they scroll, and each shows its own state of the controls.
//
// A step's heading links to that state (`#width=64`; `#start` is where the page starts). It is shown when a reader
// scrolls to the step or follows the link. As soon as the reader moves a control, scrolling moves none any more, until
// a step is chosen again. While the picture is presented, the arrow keys go through the steps.

const SETTLED_MS = 250; // for which a step must have been in view, so that nothing is computed for steps passed by
const GUIDED_MS = 700; // for which the page may scroll after a step was chosen, or after Back, without being read
const SIDE_BY_SIDE = matchMedia("(min-width: 72rem)");
const PLAYED = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 };

const tour = document.querySelector(".nv-tour");
const steps = [...document.querySelectorAll(".nv-step")];
const links = steps.map((step) => step.querySelector("h3 > a[href^='#']"));
const state = (k) => links[k].getAttribute("href").slice(1).replace(/^start$/, "");

let active = -1; // the step in view
let taken = location.hash.includes("="); // by the reader, who came with settings or has moved a control
let settling;
let guided = -Infinity;

const picture = () => tour.querySelector(".nv-picture");
const presenting = () => document.body.classList.contains("nv-present");

function mark() {
  steps.forEach((step, k) => step.classList.toggle("nv-active", k === active));
  tour.classList.toggle("nv-taken", taken);
  caption();
}

// The step in words, above the picture while it is presented.
function caption() {
  const frame = picture();
  frame?.querySelector(".nv-caption")?.remove();
  if (!frame || !presenting()) return;
  const words = document.createElement("div");
  words.className = "nv-caption jp-RenderedHTMLCommon";
  const place = document.createElement("small");
  const at = { k: active + 1, count: steps.length };
  place.textContent = active < 0 ? worded("{count} steps: → plays them", at) : worded("{k} / {count} · N shows notes", at);
  words.append(place);
  if (active >= 0) {
    const parts = steps[active].querySelector(".jp-RenderedMarkdown").cloneNode(true);
    parts.querySelector("h3").replaceChildren(links[active].cloneNode(true));
    words.append(...parts.children);
  }
  frame.prepend(words);
  dispatchEvent(new Event("resize"));
}

// Let the toolbar's widget set the controls; Back returns to what was there before.
function show(k) {
  active = k;
  taken = false;
  mark();
  if (history.state?.step !== k) history.pushState({ step: k }, "");
  document.dispatchEvent(new CustomEvent("ntkviz:show", { detail: state(k) }));
}

// The step on the line on which readers look; undefined below the last one, where the text of the page begins.
function inView() {
  const top = SIDE_BY_SIDE.matches ? 0 : picture().getBoundingClientRect().bottom;
  const line = top + 0.55 * (innerHeight - top);
  if (steps.at(-1).getBoundingClientRect().bottom < line) return undefined;
  return steps.findLastIndex((step) => step.getBoundingClientRect().top < line);
}

function onScroll() {
  if (presenting() || !picture() || !tour.classList.contains("nv-pinned")) return;
  const k = inView();
  if (k === undefined || k === active || performance.now() - guided < GUIDED_MS) return;
  active = k;
  mark();
  clearTimeout(settling);
  if (k < 0 || taken) return;
  settling = setTimeout(() => !taken && show(k), SETTLED_MS);
}

// A picture that leaves no room for a step is not pinned; its steps follow their links only.
function pin() {
  const header = document.querySelector(".nv-header").offsetHeight;
  const room = innerHeight - header;
  const needed = SIDE_BY_SIDE.matches ? 1 : 0.72; // the part of the window that a pinned picture may fill
  tour.style.setProperty("--nv-header", `${header}px`);
  const height = picture()?.offsetHeight ?? Infinity;
  const pinned = height <= needed * room;
  tour.classList.toggle("nv-pinned", pinned);
  tour.style.setProperty("--nv-covered", pinned && !SIDE_BY_SIDE.matches ? `${header + height}px` : "0px");
}

function takeOver(event) {
  if (taken || event.key === "Tab" || !event.target.closest(".nv-controls, .js-plotly-plot, .nv-reset")) return;
  taken = true;
  clearTimeout(settling);
  mark();
}

function play(k) {
  if (k < 0 || k >= steps.length) return;
  guided = performance.now();
  show(k);
  if (!presenting()) steps[k].scrollIntoView({ block: "center" });
}

// Forward first opens what a step asks its reader to predict.
function onKey(event) {
  if (event.key === "n" && presenting()) document.body.classList.toggle("nv-with-notes");
  const by = PLAYED[event.key];
  if (!by || !presenting() || event.target.closest(".nv-controls, select, input")) return;
  event.preventDefault();
  const closed = by > 0 && active >= 0 && steps[active].querySelector("details:not([open])");
  if (!closed) return play(active + by);
  closed.open = true;
  mark();
}

function button(label, onClick) {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", className: "nv-button", textContent: label });
  made.addEventListener("click", onClick);
  return made;
}

// Narrow windows show one plot at a time, and a phone its controls in a drawer at the bottom, so that they are seen
// together with the picture; the bar has the buttons for both.
function buildBar() {
  const bar = document.createElement("div");
  bar.className = "nv-bar";
  const drawer = button(worded("Controls"), () => {
    drawer.setAttribute("aria-expanded", String(tour.classList.toggle("nv-open")));
  });
  drawer.classList.add("nv-handle");
  drawer.setAttribute("aria-expanded", "false");
  bar.append(button(worded("Next plot"), nextPlot), drawer);
  new IntersectionObserver(([{ isIntersecting }]) => tour.classList.toggle("nv-in-view", isIntersecting)).observe(tour);
  tour.append(bar);
}

function nextPlot() {
  const figures = picture().querySelector(".nv-figures");
  const last = figures.scrollLeft + figures.clientWidth >= figures.scrollWidth - 2;
  figures.scrollTo({ left: last ? 0 : figures.scrollLeft + figures.clientWidth, behavior: "smooth" });
}

function begin() {
  buildBar();
  steps.forEach((step, k) => {
    const again = button(worded("Show this step again"), () => show(k));
    again.classList.add("nv-again");
    step.append(again);
  });
  tour.addEventListener("click", (event) => {
    const k = links.indexOf(event.target.closest(".nv-step h3 > a"));
    if (k < 0) return;
    event.preventDefault();
    play(k);
  });
  for (const kind of ["pointerdown", "keydown", "change"]) tour.addEventListener(kind, takeOver, true);
  addEventListener("scroll", () => requestAnimationFrame(onScroll), { passive: true });
  addEventListener("keydown", onKey);
  addEventListener("resize", pin);
  document.addEventListener("ntkviz:present", mark);
  addEventListener("popstate", ({ state }) => {
    guided = performance.now();
    clearTimeout(settling);
    active = state?.step ?? -1;
    mark();
  });
  const observer = new ResizeObserver(pin);
  // Beside steps that are longer, a picture that comes late or grows leaves the section as high as it was.
  for (const part of [tour, tour.firstElementChild]) observer.observe(part);
  pin();
  mark();
}

if (tour) begin();
