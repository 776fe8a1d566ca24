// A term of a formula lights up its part of the picture (sheets/handles_and_terms.css). While the picture is out of
// sight, small copies of the plots in question are shown beside the text.

const IDEAS = {
  limit: "rgb(213, 94, 0)",
  networks: "rgb(0, 114, 178)",
  third: "rgb(0, 158, 115)",
  chosen: "rgb(192, 96, 154)",
  data: "rgb(27, 36, 48)",
};
const PARTS = ["gap", "kernel", "rate", "move"]; // of the plot of chapter 2
const TERMS = [...Object.keys(IDEAS), ...PARTS];
const WIDTH = 280; // of a copy, in pixels

let shown; // the copies

// The term that an element belongs to.
const termOf = (element) => TERMS.find((term) => element.closest?.(`.mjx-nv-${term}`));

function inSight(plot) {
  const { top, bottom } = plot.getBoundingClientRect();
  return bottom > 100 && top < innerHeight - 100;
}

// The plots that show an idea; pairs of maps show a network and the limit.
function plotsOf(idea) {
  const plots = [...document.querySelectorAll(".nv-picture .nv-plot:not(.nv-hidden)")];
  const ofPair = idea === "limit" || idea === "networks";
  const has = (plot) => plot.querySelector(`.cartesianlayer [style*="${IDEAS[idea]}"]`);
  return plots.filter((plot) => has(plot) || (ofPair && plot.matches(".nv-pair")));
}

function copyOf(plot) {
  const drawn = plot.querySelector(".svg-container");
  const { offsetWidth: width, offsetHeight: height } = drawn;
  const scale = Math.min(WIDTH, innerWidth * 0.45) / width;
  const frame = document.createElement("div");
  Object.assign(frame.style, { width: `${width * scale}px`, height: `${height * scale}px` });
  const inside = document.createElement("div");
  inside.className = plot.className;
  Object.assign(inside.style, { width: `${width}px`, height: `${height}px`, transform: `scale(${scale})` });
  inside.append(drawn.cloneNode(true));
  frame.append(inside);
  return frame;
}

function show(plots) {
  shown = document.createElement("div");
  shown.className = "nv-glimpse";
  shown.setAttribute("aria-hidden", "true");
  shown.append(...plots.map(copyOf));
  document.body.append(shown);
}

function hide() {
  shown?.remove();
  shown = undefined;
}

function point({ target }) {
  hide();
  const term = termOf(target);
  if (term) document.body.dataset.lit = term;
  else delete document.body.dataset.lit;
  const plots = term in IDEAS ? plotsOf(term).filter((plot) => plot.querySelector(".svg-container")) : [];
  if (plots.length && !plots.some(inSight)) show(plots);
}

document.addEventListener("pointerover", point);
document.addEventListener("pointerdown", point);
