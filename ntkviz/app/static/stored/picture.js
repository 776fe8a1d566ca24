// A picture whose settings are stored. Where there are none for what a reader wants, a course on a server goes on with a
// kernel (live.js). The static edition has none: there a control moves between stored settings, or says that there are none.

const BEAT_MS = 300;
const LATE_MS = 100; // for which a picture may show its old settings while stored ones are loaded
const OUTDATED = "nv-outdated";
const OUT_OF_DATE = STORE
  ? worded("Out of date: not computed for these settings.")
  : worded("Out of date: not stored for these settings.");
const NOTE = `<span class="nv-note">${OUT_OF_DATE}</span>`;
const UNKNOWN = STORE ? "# …" : worded("# not stored in this edition"); // the program of a stack of blocks

// Keys move a slider by one step, and then mean the next stored value in their direction; a pointer means the nearest
// one. The direction is that of the key, as a reader who presses twice may move a slider before the first press has led
// it to a stored value.
const WAYS = {
  ArrowLeft: -1, ArrowDown: -1, PageDown: -1, Home: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 1, End: 1,
};
let way;
addEventListener("keydown", ({ target, key }) => (way = target.closest?.("[role=slider]") ? WAYS[key] : undefined), true);
addEventListener("pointerdown", () => (way = undefined), true);

class StoredPicture {
  constructor(spec, number) {
    this.spec = spec;
    this.number = number;
    this.told = STORE ? STARTING : worded("Not stored in this edition.");
    this.names = Object.keys(spec.controls);
    this.controls = Object.values(spec.controls);
    this.start = this.controls.map(({ start }) => start);
    this.view = this.names.indexOf("view");
    this.places = new Map(spec.settings.map((settings, k) => [this.key(settings), k]).reverse());
    this.current = this.start;
    this.bases = {};
    this.shown = {}; // by widget, the traits that differ from the start
    this.controls.forEach((control, k) => kernel.listen(control.widget, (state) => this.onControl(control, k, state)));
    kernel.listen(spec.toolbar, (_, message) => this.onTool(message));
    for (const [figure, handles] of Object.entries(spec.handles)) {
      kernel.listen(figure, (_, message) => this.onHandle(figure, handles, message));
    }
    for (const figure of STORE ? spec.clicked : []) {
      kernel.listen(figure, (state) => CLICK in state && this.leave(figure, { method: "update", state, buffer_paths: [] }));
    }
    if (spec.player) kernel.listen(spec.player, (_, { event }) => event === "click" && this.toggle());
    for (const id of spec.useless) {
      const { state } = kernel.models[id];
      state._dom_classes = [...state._dom_classes, "nv-hidden"];
    }
    setTimeout(() => this.states(), 1000); // so that the first move need not wait
  }

  states() {
    return (this.loading ??= load("states").then((all) => all[this.number]));
  }

  get here() {
    return this.link(this.current);
  }

  // ---- What a reader does ----

  onControl(control, k, state) {
    const value = this.valueOf(control, state);
    if (value === undefined || value === this.current[k]) return undefined;
    return this.move(new Map([[k, value]]));
  }

  valueOf({ kind, options, low, high, step }, state) {
    if (kind === "choice") return "index" in state ? options[state.index] : undefined;
    if (!("value" in state)) return undefined;
    if (kind === "stack") return state.value;
    const nearest = low + Math.round((state.value - low) / step) * step;
    return Math.min(high, Number(nearest.toFixed(10)));
  }

  async onTool(message) {
    if ("reset" in message || "link" in message) this.stop();
    if ("reset" in message) await this.show(this.start);
    else if ("link" in message && message.link !== kernel.state(this.spec.toolbar).state) await this.follow(message.link);
    else if ("csv" in message) this.leave(this.spec.toolbar, { method: "custom", content: message });
  }

  // Goes on with a kernel, to which a widget then sends a message.
  leave(comm_id, data) {
    live.begin((text) => this.tell(text), { comm_id, data });
  }

  async onHandle(figure, handles, { handle, ...place }) {
    if (handle === undefined) return;
    const moved = new Map();
    for (const letter of ["x", "y"]) {
      const k = this.names.indexOf(handles[handle][letter]);
      if (k >= 0 && Number.isFinite(place[letter])) moved.set(k, this.valueOf(this.controls[k], { value: place[letter] }));
    }
    await this.move(moved);
    kernel.send(figure, { handled: true });
  }

  // ---- Links ----

  link(settings) {
    const text = ({ options, texts }, value) => (options ? texts[options.indexOf(value)] : String(value));
    return new URLSearchParams(this.names.map((name, k) => [name, text(this.controls[k], settings[k])])).toString();
  }

  async follow(link) {
    const settings = [...this.start];
    const refused = [];
    for (const [name, text] of new URLSearchParams(link)) {
      const k = this.names.indexOf(name);
      const value = k < 0 ? undefined : this.parse(this.controls[k], text);
      if (value === undefined) refused.push(name);
      else settings[k] = value;
    }
    await this.show(settings);
    if (!refused.length) return;
    const error = document.createElement("div");
    error.setAttribute("role", "alert");
    error.textContent = worded(
      "Some settings in the link are invalid and were left at their initial values: {names}.", { names: refused.join(", ") },
    );
    const place = kernel.state(this.spec.error).layout.replace("IPY_MODEL_", "");
    this.become({ ...this.shown, [this.spec.error]: { value: error.outerHTML }, [place]: { display: null } }, this.current);
  }

  parse({ kind, options, texts, low, high, ...control }, text) {
    if (kind === "choice") return options[texts.indexOf(text)];
    if (kind === "stack") return text;
    const value = text.trim() === "" ? NaN : Number(text);
    return value >= low && value <= high ? this.valueOf({ kind, low, high, ...control }, { value }) : undefined;
  }

  // ---- Stored settings ----

  // How far a value is from another, as a part of all values; words must be equal.
  distance({ kind, options, low, high }, one, other) {
    if (one === other) return 0;
    if (kind === "slider") return Math.abs(one - other) / (high - low);
    if (kind === "stack" || typeof one === "string") return Infinity;
    return Math.abs(options.indexOf(one) - options.indexOf(other)) / options.length;
  }

  // Whether a control has to do with the view of these settings.
  counts(settings, k) {
    return this.spec.movable[this.view < 0 ? "" : settings[this.view]].includes(this.names[k]);
  }

  key(settings) {
    return JSON.stringify(settings.map((value, k) => (this.counts(settings, k) ? value : null)));
  }

  // The stored settings that differ from `settings` in these controls alone.
  line(settings, moved) {
    const same = (value, k) => moved.has(k) || value === settings[k] || !this.counts(settings, k);
    return this.spec.settings.filter((stored) => stored.every(same));
  }

  nearest(settings, candidates, weight = () => 1) {
    const far = (stored) => stored.reduce((sum, value, k) => {
      if (value === settings[k] || !this.counts(settings, k)) return sum;
      return sum + weight(k) + this.distance(this.controls[k], value, settings[k]);
    }, 0);
    const best = candidates.reduce((one, other) => (far(other) < far(one) ? other : one), candidates[0]);
    return best && far(best) < Infinity ? best : undefined;
  }

  // The stored settings with the next value in the direction of the key.
  next(k, candidates) {
    const order = (at) => (this.controls[k].options ? this.controls[k].options.indexOf(at) : at);
    const beyond = candidates.filter((stored) => way * (order(stored[k]) - order(this.current[k])) > 0);
    return beyond.sort((one, other) => way * (order(one[k]) - order(other[k])))[0];
  }

  async move(moved) {
    const wanted = this.current.map((value, k) => (moved.has(k) ? moved.get(k) : value));
    if (STORE || this.places.has(this.key(wanted))) return this.show(wanted);
    const candidates = this.line(wanted, moved);
    const [[k, value]] = moved;
    const others = candidates.filter((stored) => this.key(stored) !== this.key(this.current));
    if (!others.length || typeof value === "string") return this.show(wanted);
    const found = way && moved.size === 1 ? this.next(k, others) : this.nearest(wanted, candidates, () => 0);
    const places = (found ?? this.current).map((at, place) => (moved.has(place) ? at : wanted[place]));
    return this.show(places);
  }

  async show(settings) {
    this.current = settings;
    const isStored = this.places.has(this.key(settings));
    if (STORE && !isStored) live.begin((text) => this.tell(text));
    const timer = setTimeout(() => this.current === settings && this.dim(this.shown, settings, worded("Loading …")), LATE_MS);
    const states = await this.states();
    clearTimeout(timer);
    if (this.current !== settings) return; // moved on
    if (isStored) this.become(states[this.places.get(this.key(settings))], settings);
    else this.refer(states, settings);
  }

  // Says how it goes with the kernel that is to go on from here.
  async tell(text) {
    this.told = text;
    if (this.places.has(this.key(this.current))) kernel.update(this.spec.status, { value: text });
    else this.refer(await this.states(), this.current);
  }

  // Shows the nearest stored picture, dimmed, and says how to get to it.
  refer(states, settings) {
    const nearest = this.nearest(settings, this.spec.settings, (k) => (this.names[k] === "view" ? 100 : 1)) ?? this.start;
    const link = document.createElement("a");
    link.href = `#${this.link(nearest)}`;
    link.textContent = worded("Show the nearest stored settings");
    const stored = states[this.places.get(this.key(nearest))];
    this.dim(stored, settings, this.told === STARTING ? STARTING : `${this.told} ${link.outerHTML}`);
  }

  // Shows a state that does not belong to the settings: dimmed, without its numbers.
  dim(shown, settings, status) {
    const state = { ...shown, [this.spec.status]: { value: status } };
    for (const [panel, reading] of this.spec.panels) {
      const classes = state[panel]?._dom_classes ?? this.base(panel)._dom_classes;
      state[panel] = { ...state[panel], _dom_classes: [...new Set([...classes, OUTDATED])] };
      state[reading] = { ...state[reading], value: NOTE };
    }
    for (const { kind, widget } of this.controls) {
      if (kind === "stack") state[widget] = { ...state[widget], code: [[UNKNOWN, -1]] };
    }
    this.become(state, settings);
  }

  // The state of a widget at the start.
  base(id) {
    return (this.bases[id] ??= { ...kernel.state(id) });
  }

  become(state, settings) {
    if (live.taken) return;
    const changes = new Map();
    const note = (id, trait, value) => changes.set(id, { ...changes.get(id), [trait]: value });
    for (const id of new Set([...Object.keys(this.shown), ...Object.keys(state)])) {
      this.base(id);
      const [before, after] = [this.shown[id] ?? {}, state[id] ?? {}];
      for (const trait of new Set([...Object.keys(before), ...Object.keys(after)])) {
        if (before[trait] === after[trait] && trait in before === trait in after) continue;
        note(id, trait, trait in after ? after[trait] : this.base(id)[trait]);
      }
    }
    this.shown = state;
    this.controls.forEach((control, k) => {
      const own = control.kind === "choice" ? ["index", control.options.indexOf(settings[k])] : ["value", settings[k]];
      note(control.widget, ...own);
    });
    note(this.spec.toolbar, "state", this.link(settings));
    changes.forEach((change, id) => kernel.draw(id, change));
  }

  // ---- Play ----

  stops() {
    const k = this.names.indexOf(this.spec.play);
    const order = ({ options }, value) => (options ? options.indexOf(value) : value);
    const stops = this.line(this.current, new Set([k])).map((stored) => stored[k]);
    return { k, stops: stops.sort((one, other) => order(this.controls[k], one) - order(this.controls[k], other)) };
  }

  async toggle() {
    if (this.timer) return this.stop();
    const { k, stops } = this.stops();
    const click = { method: "custom", content: { event: "click" } };
    if (STORE && stops.length < this.controls[k].options.length) return this.leave(this.spec.player, click);
    if (!stops.length) return undefined;
    kernel.update(this.spec.player, { description: worded("⏸ Pause") });
    this.timer = setTimeout(() => this.beat(), BEAT_MS);
    if (this.current[k] === stops.at(-1)) await this.move(new Map([[k, stops[0]]]));
    return undefined;
  }

  async beat() {
    const { k, stops } = this.stops();
    const later = stops.slice(stops.indexOf(this.current[k]) + 1);
    if (later.length) await this.move(new Map([[k, later[0]]]));
    if (later.length > 1 && this.timer) this.timer = setTimeout(() => this.beat(), BEAT_MS);
    else this.stop();
  }

  stop() {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    kernel.update(this.spec.player, { description: worded("▶ Play") });
  }
}
