// A term of a formula lights up its part of the picture (ntkviz.css). While the picture is out of sight, a small copy of the
// plot in question is shown beside the text.

const IDEAS = {
  limit: "rgb(213, 94, 0)",
  networks: "rgb(0, 114, 178)",
  third: "rgb(0, 158, 115)",
  chosen: "rgb(192, 96, 154)",
  data: "rgb(27, 36, 48)",
};
const WIDTH = 280; // of the copy, in pixels

let copy;

const ideaOf = (term) => Object.keys(IDEAS).find((idea) => term.classList.contains(`mjx-nv-${idea}`));

function inSight(plot) {
  const { top, bottom } = plot.getBoundingClientRect();
  return bottom > 100 && top < innerHeight - 100;
}

// The first plot that shows the idea.
function plotOf(idea) {
  const plots = [...document.querySelectorAll(".nv-picture .nv-plot:not(.nv-hidden)")];
  const has = (plot) => plot.querySelector(`.cartesianlayer [style*="${IDEAS[idea]}"]`);
  return plots.find(has) ?? plots.find((plot) => plot.matches(".nv-pair"));
}

function show(plot) {
  const drawn = plot.querySelector(".svg-container");
  if (!drawn) return;
  const { offsetWidth: width, offsetHeight: height } = drawn;
  const scale = Math.min(1, WIDTH / width);
  copy = document.createElement("div");
  copy.className = "nv-glimpse";
  copy.setAttribute("aria-hidden", "true");
  Object.assign(copy.style, { width: `${width * scale}px`, height: `${height * scale}px` });
  const inside = document.createElement("div");
  inside.className = plot.className;
  Object.assign(inside.style, { width: `${width}px`, height: `${height}px`, transform: `scale(${scale})` });
  inside.append(drawn.cloneNode(true));
  copy.append(inside);
  document.body.append(copy);
}

function hide() {
  copy?.remove();
  copy = undefined;
}

function point({ target }) {
  hide();
  const term = target.closest?.("[class*='mjx-nv-']");
  const idea = term && ideaOf(term);
  const plot = idea && plotOf(idea);
  if (plot && !inSight(plot)) show(plot);
}

document.addEventListener("pointerover", point);
document.addEventListener("pointerdown", point);
addEventListener("scroll", hide, { passive: true });
