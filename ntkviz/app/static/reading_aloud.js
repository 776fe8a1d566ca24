// For those who hear the page or use its keyboard: readings are announced when they have come to rest, and every plot
// has its numbers as a table.

const REST_MS = 1200; // without a change, after which readings are announced
const MOST_ROWS = 400; // of a table; longer ones are in the CSV

const made = (tag, text = "", className = "") => Object.assign(document.createElement(tag), { textContent: text, className });

// ---- Readings ----

const speaker = made("div", "", "nv-heard");
speaker.setAttribute("aria-live", "polite");
document.body.append(speaker);

let resting;
let touched = false; // by the reader: what a page opens with is not announced
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => (touched = true), { capture: true });

function announce() {
  const shown = ".nv-picture :is(.nv-plot, .nv-listing):not(.nv-outdated, .nv-hidden) .nv-reading";
  const readings = [...document.querySelectorAll(shown)];
  const words = readings.map((reading) => reading.textContent.trim()).filter(Boolean).join(" ");
  if (touched && words !== speaker.textContent) speaker.textContent = words;
}

function onChange(changes) {
  if (!changes.some(({ target }) => (target.closest ? target : target.parentElement)?.closest(".nv-reading"))) return;
  clearTimeout(resting);
  resting = setTimeout(announce, REST_MS);
}

// ---- Tables ----

const number = (value) => (typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value ?? ""));
const plain = (text) => Object.assign(document.createElement("div"), { innerHTML: text ?? "" }).textContent;
const title = (axis, otherwise) => plain(axis?.title?.text) || otherwise;

function table(caption, head, rows) {
  const shown = document.createElement("table");
  shown.className = "nv-table";
  const cut = rows.length > MOST_ROWS ? worded(" (the first {count} rows)", { count: MOST_ROWS }) : "";
  shown.append(made("caption", caption + cut));
  const line = (cells, tag) => {
    const row = document.createElement("tr");
    row.append(...cells.map((cell) => made(tag, number(cell))));
    return row;
  };
  shown.append(line(head, "th"), ...rows.slice(0, MOST_ROWS).map((row) => line(row, "td")));
  return shown;
}

// A trace of a plot as a table: a map by its rows, a curve by its points.
function tableOf(trace, layout) {
  const axis = (letter) => layout[trace[`${letter}axis`]?.replace(letter, `${letter}axis`) ?? `${letter}axis`];
  const [across, up] = [title(axis("x"), "x"), title(axis("y"), "y")];
  const name = plain(trace.name) || worded("data");
  if (trace.z) {
    const rows = Array.from(trace.z, (row, k) => [trace.y?.[k] ?? k + 1, ...row]);
    return table(name, [up, ...(trace.x ?? Array.from(trace.z[0] ?? [], (_, k) => k + 1))], rows);
  }
  const spread = trace.error_y?.array;
  const rows = Array.from(trace.y ?? [], (y, k) => [trace.x?.[k] ?? k, y, ...(spread ? [spread[k]] : [])]);
  return table(name, [across, up, ...(spread ? ["±"] : [])], rows);
}

function openTable(plot) {
  const panel = plot.closest(".nv-plot");
  const dialog = made("dialog", "", "nv-dialog jp-RenderedHTMLCommon");
  const close = made("button", worded("Close"), "nv-button");
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  const named = panel.getAttribute("aria-label") ?? worded("the plot");
  dialog.setAttribute("aria-label", worded("Data of {plot}", { plot: named }));
  const shown = (plot._fullData ?? []).filter(({ visible, opacity }) => visible === true && opacity !== 0);
  const outdated = panel.classList.contains("nv-outdated");
  if (outdated) dialog.append(made("p", worded("This plot is out of date: its numbers belong to other settings.")));
  else dialog.append(...shown.map((trace) => tableOf(trace, plot.layout)));
  dialog.prepend(close);
  document.body.append(dialog);
  dialog.showModal();
}

function addTables() {
  for (const plot of document.querySelectorAll(".nv-picture .nv-plot .js-plotly-plot:not(.nv-has-table)")) {
    plot.classList.add("nv-has-table");
    plot.querySelectorAll(".main-svg").forEach((drawing) => drawing.setAttribute("aria-hidden", "true"));
    const button = made("button", worded("Data as a table"), "nv-button nv-on-focus");
    button.type = "button";
    button.addEventListener("click", () => openTable(plot));
    plot.before(button);
  }
}

new MutationObserver((changes) => {
  addTables();
  onChange(changes);
}).observe(document.getElementById("rendered_cells"), { subtree: true, childList: true, characterData: true });
