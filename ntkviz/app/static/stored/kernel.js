// Plays the part of the kernel: knows the state of each widget, and hands messages to the picture and the exercises.

const CLICK = "_js2py_pointsCallback"; // on a plot

const kernel = {
  models: {},
  listeners: new Map(), // by the id of a widget, what hears its messages
  sent: new Map(), // by the id of a widget, what the page has changed of its state
  pictures: [],

  async start() {
    const { models, pictures, exercises } = await load("start");
    this.models = models;
    this.pictures = pictures.map((spec, number) => new StoredPicture(spec, number));
    exercises.forEach(storedExercise);
  },

  async hear({ comm_id: id, data }, send, later) {
    this.later = later;
    if (data.method === "request_states") {
      send(id, { method: "update_states", states: this.models, buffer_paths: [] });
    } else if (data.method === "update") {
      const model = this.models[id];
      if (model) Object.assign(model.state, data.state);
      this.sent.set(id, { ...this.sent.get(id), ...data.state });
      for (const hear of this.listeners.get(id) ?? []) await hear(data.state, {});
    } else if (data.method === "custom") {
      for (const hear of this.listeners.get(id) ?? []) await hear({}, data.content);
    }
  },

  listen(id, hear) {
    this.listeners.set(id, [...(this.listeners.get(id) ?? []), hear]);
  },

  state(id) {
    return this.models[id].state;
  },

  // Changes a widget on the page.
  update(id, state) {
    Object.assign(this.models[id].state, state);
    this.later(id, { method: "update", state, buffer_paths: [] });
  },

  // The same; a figure is drawn anew with its data and layout (figure.js).
  draw(id, change) {
    const { _widget_data: data, _widget_layout: layout } = { ...this.state(id), ...change };
    const is_drawn = "_widget_data" in change || "_widget_layout" in change;
    this.update(id, is_drawn ? { ...change, _stored: { data, layout } } : change);
  },

  send(id, content) {
    this.later(id, { method: "custom", content });
  },

  // Changes a style of a widget, which belongs to another model.
  layout(id, style) {
    this.update(this.state(id).layout.replace("IPY_MODEL_", ""), style);
  },
};
