// A plotly figure on a page that already has plotly.js (index.html.j2): the browser's half of plotly's FigureWidget.
// plotly's own half contains all of plotly.js again, 5 MB that take a browser a second and a half to parse, and answers
// every edit with the complete plot. Ours draws, applies edits and reports clicks; handles.js precedes it in the module.

const EDITS = {
  _py2js_restyle: (el, edit) => Plotly.restyle(el, edit.restyle_data, edit.restyle_traces),
  _py2js_relayout: (el, edit) => Plotly.relayout(el, edit.relayout_data),
  _py2js_update: update,
  _py2js_addTraces: (el, edit) => Plotly.addTraces(el, edit.trace_data),
  _py2js_deleteTraces: (el, edit) => Plotly.deleteTraces(el, edit.delete_inds),
  _stored: (el, figure) => react(el, figure),
  _py2js_moveTraces: (el, edit) => Plotly.moveTraces(el, edit.current_trace_inds, edit.new_trace_inds),
};

// If only the ranges of axes change beside them, Plotly.update takes no notice of properties that need no new
// calculation, such as the opacity, so these are set before.
async function update(el, { style_data: style, layout_data: layout, style_traces: traces }) {
  const [looks, ranges] = [style, layout].map((edit) => Object.keys(edit ?? {}));
  if (!looks.length || !ranges.length || looks.some((name) => ["x", "y", "z"].includes(name))) {
    return Plotly.update(el, style, layout, traces);
  }
  await Plotly.restyle(el, style, traces);
  return Plotly.relayout(el, layout);
}

// The static edition has whole figures; the height is that of the place on the page.
const react = (el, { data, layout: { height, ...layout } }) => Plotly.react(el, data, layout, el._context);

const ARRAYS = {
  int8: Int8Array, int16: Int16Array, int32: Int32Array, uint8: Uint8Array, uint16: Uint16Array,
  uint32: Uint32Array, float32: Float32Array, float64: Float64Array,
};

// The data from plotly.py, with arrays decoded. A copy, since plotly.js modifies the data that it draws.
function decoded(value) {
  if (Array.isArray(value)) return value.map(decoded);
  if (value === "_undefined_") return undefined;
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  if (value.buffer instanceof DataView) {
    const { buffer, byteOffset, byteLength } = value.buffer;
    return new ARRAYS[value.dtype](buffer.slice(byteOffset, byteOffset + byteLength));
  }
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, decoded(part)]));
}

// plotly.js measures its container when it draws, so that must be on the page by then; another view may show it later.
async function placed(element) {
  while (!element.isConnected) await new Promise(requestAnimationFrame);
  if (element.offsetWidth) return;
  await new Promise((resolve) => {
    const observer = new ResizeObserver(() => {
      if (!element.offsetWidth) return;
      observer.disconnect();
      resolve();
    });
    observer.observe(element);
  });
}

// In pixels:
const NARROW = 700; // the width below which a window counts as narrow: that of a phone, or of a laptop at 200 % zoom
const LITTLE = 240; // the room below which the title of an axis is broken into lines
const LINE = 18; // the height of one line of a heading there
const AXIS = 52; // the height of an axis's labels and title
const PLOT = 270; // the height of a plot without its legend
const LOWEST = 250; // the least height of a map, whose colour bar needs room for its numbers

const isHeading = (note) => note.yref === "paper" && note.y === 1 && note.yanchor === "bottom" && !note.showarrow;

const widthOf = (words, pen) => pen.measureText(words.replace(/<[^>]*>/g, "")).width;

// A text broken between words into lines of at most `room` pixels; tags are not broken.
function inLines(text, room, pen) {
  const lines = [];
  for (const word of text.replace(/<br ?\/?>/g, " ").split(/\s+(?![^<]*>)/)) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && widthOf(longer, pen) <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

// Makes room for text on a phone: headings and the titles of small axes take as many lines as they need, a legend is
// placed below its plot instead of on it, and square maps have no empty space under them.
async function fitNarrow(el) {
  if (innerWidth >= NARROW) return;
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `14px ${getComputedStyle(el.querySelector("text") ?? el).fontFamily}`;
  await changed(el, { ...axesInLittleRoom(el, pen), ...legendBelow(el) });
  await changed(el, headingsInLines(el, pen)); // whose place depends on the legend's
  const legend = el.querySelector(".legend")?.getBoundingClientRect().height;
  if (legend) {
    await changed(el, { ...margins(el), "margin.b": AXIS + legend });
    await high(el, PLOT + legend);
  } else if (axesOf(el, "y").every((name) => el.layout[name].scaleanchor)) {
    const shown = [...el.querySelectorAll(".cartesianlayer, .xtitle, .x2title")].map((part) => part.getBoundingClientRect());
    const bottom = Math.max(...shown.map((box) => box.bottom)) - el.getBoundingClientRect().top;
    await high(el, Math.max(LOWEST, bottom + 10));
  }
}

async function high(el, pixels) {
  if (Math.abs(el.offsetHeight - pixels) < 2) return;
  el.style.height = `${pixels}px`;
  await Plotly.Plots.resize(el);
}

function headingsInLines(el, pen) {
  const frame = el.getBoundingClientRect();
  const notes = (el.layout.annotations ?? []).filter(isHeading);
  const key = notes.some((note) => note.xanchor === "right") ? LINE : 0; // a key at the right: headings go above it
  const headings = (el.layout.annotations ?? [])
    .map((note, index) => ({ note, index, box: el.querySelector(`.annotation[data-index="${index}"]`) }))
    .filter(({ note, box }) => isHeading(note) && note.xanchor !== "right" && box)
    .map(({ note, index, box }) => {
      return { note, index, left: box.getBoundingClientRect().left - frame.left - (note.xshift ?? 0) };
    })
    .sort((one, other) => one.left - other.left);
  const edit = {};
  let most = 0;
  headings.forEach(({ note, index, left }, k) => {
    const end = headings[k + 1]?.left ?? el.offsetWidth;
    const room = end - left - 4;
    const lines = inLines(note.text, room, pen);
    const beyond = Math.max(...lines.map((line) => widthOf(line, pen))) - room;
    if (beyond > 0) edit[`annotations[${index}].xshift`] = -Math.ceil(beyond);
    most = Math.max(most, lines.length);
    edit[`annotations[${index}].text`] = lines.join("<br>");
    Object.assign(edit, { [`annotations[${index}].font.size`]: 14, [`annotations[${index}].align`]: "left" });
    if (key) edit[`annotations[${index}].yshift`] = key;
  });
  if (most) edit["margin.t"] = 10 + LINE * most + key;
  return edit;
}

const axesOf = (el, letter) => Object.keys(el.layout).filter((name) => name.startsWith(`${letter}axis`));

function axesInLittleRoom(el, pen) {
  const edit = {};
  const [first, ...others] = axesOf(el, "y");
  const same = (name) => String(el.layout[name].ticktext) === String(el.layout[first].ticktext);
  for (const name of others) if (el.layout[name].ticktext && same(name)) edit[`${name}.showticklabels`] = false;
  for (const name of axesOf(el, "x")) {
    const { title, domain = [0, 1] } = el.layout[name];
    const room = 0.7 * (domain[1] - domain[0]) * el.offsetWidth;
    if (!title?.text || room > LITTLE) continue;
    edit[`${name}.title.text`] = inLines(title.text, room, pen).join("<br>");
    edit[`${name}.title.font.size`] = 13;
  }
  return edit;
}

function legendBelow(el) {
  if (!el.querySelector(".legend")) return {};
  const left = { "legend.x": 0, "legend.xanchor": "left", "legend.xref": "container" };
  const below = { "legend.y": 0, "legend.yanchor": "bottom", "legend.yref": "container" };
  return { "legend.orientation": "h", "legend.font.size": 13, ...left, ...below };
}

// With automatic margins, plotly.js would move the titles of axes into the plot.
const margins = (el) => Object.fromEntries(axesOf(el, "x").map((name) => [`${name}.automargin`, false]));

const at = (layout, path) => path.split(/[.[\]]+/).filter(Boolean).reduce((part, name) => part?.[name], layout);
const fitted = new WeakMap(); // what was changed in each plot: by path in its layout, the values before and since

// Applies the edits that differ from the current layout.
async function changed(el, edit) {
  if (!fitted.has(el)) fitted.set(el, new Map());
  for (const [path, since] of Object.entries(edit)) {
    const now = at(el.layout, path);
    const before = fitted.get(el).get(path);
    if (now !== since) fitted.get(el).set(path, { before: before && now === before.since ? before.before : now, since });
  }
  if (Object.entries(edit).some(([path, value]) => at(el.layout, path) !== value)) await Plotly.relayout(el, edit);
}

// Restores the layout that Python set, once the phone has been turned or the window widened.
async function unfit(el) {
  const edit = [...(fitted.get(el) ?? [])].filter(([path, { since }]) => at(el.layout, path) === since);
  fitted.delete(el);
  el.style.height = "";
  await Plotly.relayout(el, Object.fromEntries(edit.map(([path, { before }]) => [path, before ?? null])));
}

// Fits a plot while the window is narrow, and restores it when the window becomes wide again.
function keepFitting(el) {
  let narrow = false;
  const observer = new ResizeObserver(() => {
    if (el.offsetWidth && innerWidth < NARROW !== narrow) {
      narrow = !narrow;
      Plotly.Plots.resize(el).then(() => (narrow ? fitNarrow : unfit)(el)); // these measure the drawn plot
    }
  });
  observer.observe(el);
  return observer;
}

// The dots of a trace with `meta.moves` go from where they were to where an edit puts them. Those with other heights in
// `customdata` stop there on the way.
const MOVE_MS = 900;
const MOVE_BY_MS = 2600;
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const stood = new WeakMap(); // of a plot, the places of its dots

const placeOf = (dot) => {
  const { e, f } = dot.transform.baseVal.consolidate().matrix;
  return [e, f];
};

function moveDots(el) {
  const trace = el.data.find(({ meta }) => meta?.moves);
  const dots = trace?.x.length ? [...el.querySelectorAll(".scatterlayer path.point")] : [];
  if (!dots.length) return; // they are still to come, and set out from where they stood last
  const places = dots.map(placeOf);
  const before = stood.get(el) ?? places;
  stood.set(el, places);
  if (STILL.matches || String(before) === String(places)) return;
  const heightOf = (value) => el._fullLayout.yaxis.l2p(value);
  const stops = Array.from(trace.customdata ?? [], heightOf);
  const stopping = stops.some((height, k) => Math.abs(height - places[k]?.[1]) > 2);
  dots.forEach((dot, k) => {
    dot.getAnimations().forEach((animation) => animation.cancel());
    const [x, y] = places[k];
    const stop = { transform: `translate(${x}px, ${stops[k]}px)`, easing: "ease-in-out" };
    const stay = stopping ? [{ ...stop, offset: 0.35 }, { ...stop, offset: 0.6 }] : [];
    const from = before[k] ?? [x, y];
    const frames = [from, [x, y]].map((at) => ({ transform: `translate(${at[0]}px, ${at[1]}px)`, easing: "ease-in-out" }));
    dot.animate([frames[0], ...stay, frames[1]], stopping ? MOVE_BY_MS : MOVE_MS);
  });
}

function tellClick(model, points) {
  const every = (name) => points.map((point) => point[name]);
  model.set("_js2py_pointsCallback", {
    event_type: "plotly_click",
    points: { trace_indexes: every("curveNumber"), point_indexes: every("pointNumber"), xs: every("x"), ys: every("y") },
  });
  model.save_changes();
}

// A move changes several plots, and each takes tens of milliseconds: the browser paints those that are done before the
// next one is changed. The edits of all figures wait in one list, since each figure has its own copy of this module.
const BUDGET_MS = 12;
const edits = (globalThis.ntkvizEdits ??= []);

// Resolves after the next frame; a hidden page has none.
function painted() {
  if (document.hidden) return null;
  return new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
    setTimeout(resolve, 200);
  });
}

async function applyInTurn(edit) {
  if (edits.push(edit) > 1) return; // the loop below is running
  let start = performance.now();
  for (; edits.length; edits.shift()) {
    await edits[0]().catch(console.error);
    if (performance.now() - start < BUDGET_MS) continue;
    await painted();
    start = performance.now();
  }
}

export default () => {
  const waiting = []; // edits of a figure that is not displayed yet
  const plots = new Set();

  return {
    initialize({ model }) {
      for (const [name, apply] of Object.entries(EDITS)) {
        model.on(`change:${name}`, () => {
          const edit = model.get(name);
          if (!edit) return; // Python clears each edit once it is sent
          if (!plots.size) {
            waiting.push([apply, edit]);
            return;
          }
          applyInTurn(async () => {
            for (const plot of plots) {
              await apply(plot, decoded(edit));
              moveDots(plot);
              await fitNarrow(plot);
            }
          });
        });
      }
    },
    async render({ model, el }) {
      await placed(el);
      const [shown] = plots; // its current state
      const data = decoded(shown?.data ?? model.get("_widget_data"));
      await Plotly.newPlot(el, data, decoded(shown?.layout ?? model.get("_widget_layout")), model.get("_config"));
      if (el.offsetHeight !== el._fullLayout.height) await Plotly.Plots.resize(el); // drawn as high as Python has it
      for (const [apply, edit] of waiting) await apply(el, decoded(edit));
      waiting.length = 0;
      plots.add(el);
      const observer = keepFitting(el);
      el.on("plotly_click", ({ points }) => tellClick(model, points));
      const hideHandles = showHandles(el, model);
      return () => {
        hideHandles();
        observer.disconnect();
        plots.delete(el);
        Plotly.purge(el);
      };
    },
  };
};
