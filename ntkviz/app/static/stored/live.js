// In a course on a server, a reader who leaves what is stored gets a kernel in which the same notebook has run. Its
// widgets are those of the page under other names: both were made in the same order. The kernel is told what the reader
// has done so far, the page is given the states of its widgets, and from then on messages go back and forth with the
// names translated. So nothing on the page is loaded again.

const PROTOCOL = "v1.kernel.websocket.jupyter.org";
const NAMES = /(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])/g; // of widgets
const CONTENT = 4; // the part of a message after its channel, header, parent and metadata
const TREE = ["layout", "style", "children"]; // traits that refer to other widgets
const OF_THE_PAGE = /^(_py2js_|_js2py_|_last_|_view_count$|stored$)/; // traits that a kernel does not decide on
const OF_READERS = ["value", "index"]; // traits that a reader changes
const STARTING = worded("Starting a calculation of your own …");
const FULL = worded("The server has no calculation to spare just now; what is stored can still be shown.");
const AWAY = worded("The server does not answer; what is stored can still be shown.");

const encode = (text) => new TextEncoder().encode(text);
const decode = (bytes) => new TextDecoder().decode(bytes);

// The parts of a message in PROTOCOL, which begins with the number of offsets and the offsets, in eight bytes each.
function split(buffer) {
  const view = new DataView(buffer);
  const whole = (place) => Number(view.getBigUint64(8 * place, true));
  const offsets = Array.from({ length: whole(0) }, (_, k) => whole(k + 1));
  return offsets.slice(0, -1).map((start, k) => new Uint8Array(buffer, start, offsets[k + 1] - start));
}

function joined(parts) {
  const offsets = [8 * (parts.length + 2)];
  for (const part of parts) offsets.push(offsets.at(-1) + part.length);
  const bytes = new Uint8Array(offsets.at(-1));
  const view = new DataView(bytes.buffer);
  [offsets.length, ...offsets].forEach((number, k) => view.setBigUint64(8 * k, BigInt(number), true));
  parts.forEach((part, k) => bytes.set(part, offsets[k]));
  return bytes.buffer;
}

const renamed = (text, names) => text.replace(NAMES, (name) => names.get(name) ?? name);

function translated(buffer, names) {
  const parts = split(buffer);
  parts[CONTENT] = encode(renamed(decode(parts[CONTENT]), names));
  return joined(parts);
}

// The states of all widgets with lists in place of the arrays, which follow the message as `buffers`.
function withLists({ states, buffer_paths: paths }, buffers) {
  paths.forEach((path, k) => {
    const place = path.slice(0, -2).reduce((part, step) => part[step], states);
    const { dtype, shape } = place[path.at(-2)];
    const Numbers = globalThis[`${dtype[0].toUpperCase()}${dtype.slice(1)}Array`];
    place[path.at(-2)] = shaped([...new Numbers(buffers[k].slice().buffer)], shape);
  });
  return states;
}

function shaped(numbers, [length, ...shape]) {
  if (!shape.length) return numbers;
  const size = numbers.length / length;
  return Array.from({ length }, (_, k) => shaped(numbers.slice(k * size, (k + 1) * size), shape));
}

// Which widget of the page is which of the kernel. They must have the same kinds and make the same tree.
function matched(stored, found) {
  const [here, there] = [stored, found].map(Object.entries);
  const names = new Map(here.map(([name], k) => [name, there[k]?.[0]]));
  const kind = (model) => JSON.stringify([model.model_name, model.model_module, TREE.map((name) => model.state[name])]);
  const same = here.every(([, model], k) => there[k] && renamed(kind(model), names) === kind(there[k][1]));
  if (!same || here.length !== there.length) throw new Error("the kernel has other widgets than this page");
  return names;
}

class Refused extends Error {}

const live = {
  kernel: "", // its id
  taken: false, // whether it answers this page
  session: crypto.randomUUID?.() ?? String(Math.random()),
  asked: new Map(), // by the id of a message, what is done when it is answered
  late: [], // messages that wait for the end of the sampling
  wanted: new Map(), // what the reader asked for besides settings, as JSON, and who is told how it goes

  // Gets a kernel, for a message if it is for more than the settings of a picture; `tell` says how it goes.
  begin(tell, message) {
    this.wanted.set(JSON.stringify(message ?? null), { message, tell });
    tell(STARTING);
    this.starting ??= this.start().catch((problem) => this.fail(problem)).finally(() => (this.starting = undefined));
  },

  fail(problem) {
    this.wire?.close();
    const wanted = [...this.wanted.values()];
    this.wanted.clear();
    if (problem instanceof Refused) wanted.forEach(({ tell }) => tell(problem.message));
    else {
      console.warn(problem);
      location.replace(`?live#${kernel.pictures[0]?.here ?? ""}`); // the page anew, with a kernel from the start
    }
  },

  async start() {
    kernel.pictures.forEach((picture) => picture.stop());
    await this.find();
    const wire = await this.open();
    const say = (data, name) => this.say(wire, "comm_msg", { comm_id: name ?? this.session, data });
    await this.say(wire, "comm_open", { comm_id: this.session, target_name: "jupyter.widget.control", data: {} });
    const names = matched(kernel.models, await say({ method: "request_states" }));
    await Promise.all(this.done().map(([name, data]) => say(data, names.get(name))));
    for (;;) {
      const links = kernel.pictures.map(({ here }) => here);
      const told = kernel.pictures.flatMap(({ spec }, k) => [[spec, { shown: true }], [spec, { link: links[k] }]]);
      await Promise.all(told.map(([spec, content]) => say({ method: "custom", content }, names.get(spec.toolbar))));
      const states = await say({ method: "request_states" });
      if (kernel.pictures.every(({ here }, k) => here === links[k])) return this.take(wire, names, states);
    }
  },

  // A kernel for this page, from the server's answer to a request for the page with one.
  async find() {
    const answer = await ask(`${location.pathname}?live`).catch(() => undefined);
    if (!answer) throw new Refused(AWAY);
    if (answer.status === 503) throw new Refused(FULL);
    const page = await answer.text();
    this.kernel = page.match(/"kernelId": "([^"]+)"/)[1];
  },

  open() {
    const { baseUrl } = document.body.dataset;
    const address = `${baseUrl}../api/kernels/${this.kernel}/channels?session_id=${this.session}`;
    const place = new URL(address, location.href);
    place.protocol = place.protocol.replace("http", "ws");
    this.wire = new OwnSocket(place, [PROTOCOL]);
    this.wire.binaryType = "arraybuffer";
    this.wire.onmessage = ({ data }) => this.hear(data);
    return new Promise((resolve, reject) => {
      this.wire.onopen = () => resolve(this.wire);
      this.wire.onclose = () => {
        this.asked.forEach(({ fail }) => fail(new Refused(AWAY)));
        reject(new Refused(AWAY));
      };
    });
  },

  // Sends a message; resolves when it is handled, or to the states for which it asked.
  say(wire, kind, content) {
    const header = {
      msg_id: `${this.session}-${(this.count = (this.count ?? 0) + 1)}`, msg_type: kind, session: this.session,
      username: "", date: new Date().toISOString(), version: "5.3",
    };
    const metadata = kind === "comm_open" ? { version: "1.0.0" } : {};
    wire.send(joined([encode("shell"), ...[header, {}, metadata, content].map((part) => encode(JSON.stringify(part)))]));
    return new Promise((resolve, fail) => this.asked.set(header.msg_id, { resolve, fail }));
  },

  // Before the kernel answers the page.
  hear(buffer) {
    const [, header, parent, , content, ...buffers] = split(buffer);
    const [{ msg_type: kind }, { msg_id: id }, found] = [header, parent, content].map((part) => JSON.parse(decode(part)));
    const answer = this.asked.get(id);
    const handled = kind === "status" && found.execution_state === "idle";
    if (!answer || !(handled || found.data?.method === "update_states")) return;
    this.asked.delete(id);
    answer.resolve(handled ? undefined : withLists(found.data, buffers));
  },

  // What the kernel has to be told of what the reader has done, apart from the pictures' settings, which are in links.
  done() {
    const controls = new Set(kernel.pictures.flatMap(({ controls }) => controls.map(({ widget }) => widget)));
    const kept = Object.entries(kernel.models).filter(([, { state }]) => "kept" in state);
    const sent = [...kernel.sent].filter(([name]) => !controls.has(name) && name in kernel.models);
    const chosen = (state) => Object.fromEntries(Object.entries(state).filter(([name]) => OF_READERS.includes(name)));
    return [
      ...kept.map(([name, { state }]) => [name, { stored: state.kept }]),
      ...sent.map(([name, state]) => [name, chosen(state)]).filter(([, state]) => Object.keys(state).length),
    ].map(([name, state]) => [name, { method: "update", state, buffer_paths: [] }]);
  },

  // From now on the kernel answers: the page shows the states of its widgets, and is connected to it.
  take(wire, names, states) {
    this.names = names;
    this.back = new Map([...names].map(([here, there]) => [there, here]));
    for (const [there, { state }] of Object.entries(states)) {
      const here = this.back.get(there);
      if (!here) throw new Error("the kernel has made other widgets");
      const given = Object.entries(JSON.parse(renamed(JSON.stringify(state), this.back)));
      const now = kernel.state(here);
      const differs = ([name, value]) => !OF_THE_PAGE.test(name) && JSON.stringify(value) !== JSON.stringify(now[name]);
      const changed = given.filter(differs);
      if (changed.length) kernel.draw(here, Object.fromEntries(changed));
    }
    this.taken = true;
    this.attach(kernel.socket);
    const cancels = kernel.pictures.map(({ spec }) => this.names.get(spec.useless.at(-1)));
    this.sampling = new Set(cancels.filter((name) => !states[name].state.disabled));
    for (const { message } of this.wanted.values()) if (message) this.forward(message);
    this.wanted.clear();
    // The server holds messages back until the page shows that it has made its widgets.
    const shown = { method: "custom", content: { shown: true } };
    kernel.pictures.forEach(({ spec }) => this.forward({ comm_id: spec.toolbar, data: shown }));
  },

  attach(socket) {
    socket.wire = this.wire;
    this.wire.onmessage = ({ data }) => {
      socket.onmessage?.({ data: translated(data, this.back) });
      if (this.late.length) this.look(data);
    };
    this.wire.onclose = (event) => socket.onclose?.(event);
  },

  forward({ comm_id, data }) {
    if (data.content?.csv && this.sampling.size) {
      this.late.push({ comm_id, data });
      return;
    }
    const content = JSON.parse(renamed(JSON.stringify({ comm_id, data }), this.names));
    this.say(this.wire, "comm_msg", content);
  },

  // The numbers of a picture are written to a file when the networks that the page shows have been sampled again.
  look(buffer) {
    const { comm_id, data } = JSON.parse(decode(split(buffer)[CONTENT]));
    if (!data?.state?.disabled || !this.sampling.delete(comm_id)) return;
    this.late.splice(0).forEach((message) => this.forward(message));
  },

  // Again, after the connection was lost.
  connect(socket) {
    this.open().then(() => {
      this.attach(socket);
      socket.opened();
    }, () => socket.onclose?.(new Event("close")));
  },

  outward(message) {
    return translated(message, this.names);
  },
};
