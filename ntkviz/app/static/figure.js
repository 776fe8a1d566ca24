// A plotly figure on a page that has plotly.js already (index.html.j2): the browser's half of plotly's FigureWidget.
// plotly's own half brings all of plotly.js along once more, 5 MB that take a browser a second and a half to read, and
// answers every edit with all that a plot is made of. Ours draws, follows edits and tells of clicks.

const EDITS = {
  _py2js_restyle: (el, edit) => Plotly.restyle(el, edit.restyle_data, edit.restyle_traces),
  _py2js_relayout: (el, edit) => Plotly.relayout(el, edit.relayout_data),
  _py2js_update: (el, edit) => Plotly.update(el, edit.style_data, edit.layout_data, edit.style_traces),
  _py2js_addTraces: (el, edit) => Plotly.addTraces(el, edit.trace_data),
  _py2js_deleteTraces: (el, edit) => Plotly.deleteTraces(el, edit.delete_inds),
  _py2js_moveTraces: (el, edit) => Plotly.moveTraces(el, edit.current_trace_inds, edit.new_trace_inds),
};

const ARRAYS = {
  int8: Int8Array, int16: Int16Array, int32: Int32Array, uint8: Uint8Array, uint16: Uint16Array,
  uint32: Uint32Array, float32: Float32Array, float64: Float64Array,
};

// What plotly.py sent, with its arrays as arrays. A copy: plotly.js writes into what it draws.
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

// plotly.js measures its place when it draws: it has to be on the page by then.
async function placed(element) {
  while (!element.isConnected || !element.offsetWidth) await new Promise(requestAnimationFrame);
}

function tellClick(model, points) {
  const every = (name) => points.map((point) => point[name]);
  model.set("_js2py_pointsCallback", {
    event_type: "plotly_click",
    points: { trace_indexes: every("curveNumber"), point_indexes: every("pointNumber"), xs: every("x"), ys: every("y") },
  });
  model.save_changes();
}

export default () => {
  const waiting = []; // edits of a figure that no page shows yet
  const plots = new Set();

  return {
    initialize({ model }) {
      for (const [name, apply] of Object.entries(EDITS)) {
        model.on(`change:${name}`, () => {
          const edit = model.get(name);
          if (!edit) return; // Python takes each edit back once it is sent
          if (!plots.size) waiting.push([apply, edit]);
          for (const plot of plots) apply(plot, decoded(edit));
        });
      }
    },
    async render({ model, el }) {
      await placed(el);
      const [shown] = plots; // what it became meanwhile
      const data = decoded(shown?.data ?? model.get("_widget_data"));
      await Plotly.newPlot(el, data, decoded(shown?.layout ?? model.get("_widget_layout")), model.get("_config"));
      for (const [apply, edit] of waiting) await apply(el, decoded(edit));
      waiting.length = 0;
      plots.add(el);
      el.on("plotly_click", ({ points }) => tellClick(model, points));
      return () => {
        plots.delete(el);
        Plotly.purge(el);
      };
    },
  };
};
