// Shows each picture as it was when the page was rendered (preview.py), until its widgets have drawn it.

const POLL_MS = 50;
const PATIENCE_MS = 10000; // how long to wait for a picture's plots once the rest of it has been drawn

function isDrawn(picture) {
  const plots = [...picture.querySelectorAll(".nv-plot:not(.nv-hidden)")];
  return plots.length > 0 && plots.every((plot) => plot.querySelector(".main-svg"));
}

// The stylesheet hides the widgets that are drawn behind the preview.
function removeWhenDrawn(preview, output) {
  let arrived;
  const polling = setInterval(() => {
    const picture = output.querySelector(":scope > :not(.nv-preview) .nv-picture");
    if (!picture) return;
    arrived ??= performance.now();
    if (!isDrawn(picture) && performance.now() - arrived < PATIENCE_MS) return;
    clearInterval(polling);
    output.classList.remove("nv-previewed");
    preview.querySelectorAll(".js-plotly-plot").forEach((plot) => Plotly.purge(plot));
    preview.remove();
  }, POLL_MS);
}

// Returns a function that draws the plots, to be called once plotly.js is loaded.
function show({ html, figures }, output) {
  const preview = document.createElement("div");
  preview.className = "nv-preview";
  preview.innerHTML = html;
  output.prepend(preview);
  output.classList.add("nv-previewed");
  removeWhenDrawn(preview, output);
  const places = [...preview.querySelectorAll(".nv-preview-figure")];
  return () => places.forEach((place, number) => Plotly.newPlot(place, figures[number]));
}

// Voilà shows the page, and removes #loading, when its own code has arrived; the stylesheet hides the prose until then.
function uncover() {
  document.getElementById("rendered_cells").style.display = "";
  document.getElementById("loading").hidden = true;
}

globalThis.ntkvizPreviews = [];
for (const script of document.querySelectorAll("script[type='application/vnd.voila.cell-output+json']")) {
  const preview = JSON.parse(script.textContent).data?.["application/vnd.ntkviz.preview+json"];
  const asked = location.hash.slice(1);
  if (!preview || (asked && asked !== preview.state)) continue;
  globalThis.ntkvizPreviews.push(show(preview, script.parentElement));
  uncover();
}
