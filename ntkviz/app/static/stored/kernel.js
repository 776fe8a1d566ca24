// Plays the part of the kernel: knows the state of each widget, and hands messages to the picture and the exercises.

const kernel = {
  models: {},
  listeners: new Map(), // by the id of a widget, what hears its messages

  async start() {
    const { models, pictures, exercises } = await unpacked(await load(`${document.body.dataset.chapter}-start`));
    this.models = models;
    pictures.forEach((spec) => new StoredPicture(spec));
    exercises.forEach(storedExercise);
  },

  async hear(id, data, send, later) {
    this.later = later;
    if (data.method === "request_states") {
      send(id, { method: "update_states", states: this.models, buffer_paths: [] });
    } else if (data.method === "update") {
      const model = this.models[id];
      if (model) Object.assign(model.state, data.state);
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

  send(id, content) {
    this.later(id, { method: "custom", content });
  },

  // Changes a style of a widget, which belongs to another model.
  layout(id, style) {
    this.update(this.state(id).layout.replace("IPY_MODEL_", ""), style);
  },
};
