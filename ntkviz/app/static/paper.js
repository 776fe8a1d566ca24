// On paper, plots are scaled to the page as they are drawn, and the answers of steps are open.

const opened = [];

addEventListener("beforeprint", () => {
  for (const drawing of document.querySelectorAll(".nv-plot .main-svg")) {
    const { width, height } = drawing.getBoundingClientRect();
    if (width) drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    if (width) drawing.parentElement.style.aspectRatio = `${width} / ${height}`;
  }
  opened.push(...document.querySelectorAll(".nv-step details:not([open])"));
  opened.forEach((details) => (details.open = true));
});

addEventListener("afterprint", () => {
  document.querySelectorAll(".nv-plot .main-svg").forEach((drawing) => drawing.removeAttribute("viewBox"));
  opened.splice(0).forEach((details) => (details.open = false));
});
