// The page of a chapter that was run before: its own scripts find what they would ask of a kernel. Jupyter's code in the
// page opens a socket to its kernel as usual; `kernel.js` answers, until `live.js` has a kernel.

const KERNEL_ID = "stored";
const IDLE = { execution_state: "idle" };
const INFO = {
  status: "ok", protocol_version: "5.3", implementation: "stored", implementation_version: "1", banner: "", help_links: [],
  language_info: { name: "python", version: "3", mimetype: "text/x-python", file_extension: ".py" },
};
const { chapter, stored: STORE } = document.body.dataset; // where a server has the data; empty in the static edition
const ask = fetch.bind(globalThis);
const beacon = navigator.sendBeacon.bind(navigator);

// Decodes a file of data: gzipped JSON, in which `{"$": k}` stands for the value k of a pool.
async function unpacked(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { pool, value } = JSON.parse(await new Response(stream).text());
  const known = new Map();
  const pooled = (k) => {
    if (!known.has(k)) known.set(k, whole(pool[k]));
    return known.get(k);
  };
  const whole = (part) => {
    if (Array.isArray(part)) return part.map(whole);
    if (part === null || typeof part !== "object") return part;
    if ("$" in part) return pooled(part.$);
    return Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, whole(inner)]));
  };
  return whole(value);
}

// A page opened from a disk may fetch no file, but may load a script; each file of data calls `ntkvizData`.
const arriving = new Map();
globalThis.ntkvizData = (name, text) => {
  arriving.get(name).resolve(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
};

function scripted(name) {
  if (!arriving.has(name)) {
    arriving.set(name, Promise.withResolvers());
    const script = document.createElement("script");
    script.src = `data/${name}.js`;
    script.onerror = () => arriving.get(name).reject(new Error(`${name} could not be loaded`));
    document.head.append(script);
  }
  return arriving.get(name).promise;
}

async function fetched(part) {
  const answer = await ask(`${STORE}-${part}.gz`);
  if (!answer.ok) throw new Error(`${part} could not be loaded`);
  return answer.arrayBuffer();
}

// What is stored of this page: `start` or `states`.
const load = async (part) => unpacked(await (STORE ? fetched(part) : scripted(`${chapter}-${part}`)));

const OwnSocket = WebSocket;

class StoredSocket extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  state = 0;

  constructor(url) {
    super();
    this.url = url;
    if (live.taken) live.connect(this); // again, after the connection was lost
    // Jupyter's code waits four seconds for the states of all widgets: it is told of a kernel once they are there.
    else kernel.started.then(() => this.opened());
  }

  // Jupyter's code reads it for each message.
  get protocol() {
    return live.taken ? PROTOCOL : "";
  }

  get readyState() {
    return this.wire?.readyState ?? this.state;
  }

  opened() {
    this.state = 1;
    this.onopen?.(new Event("open"));
  }

  send(message) {
    if (this.wire) this.wire.send(live.outward(message));
    else setTimeout(() => this.answer(JSON.parse(message)));
  }

  close() {
    this.state = 3;
    this.wire?.close();
  }

  tell(parent, channel, kind, content) {
    const header = {
      msg_id: crypto.randomUUID?.() ?? String(Math.random()), msg_type: kind, session: KERNEL_ID, username: "",
      date: new Date().toISOString(), version: "5.3",
    };
    const message = { header, parent_header: parent?.header ?? {}, metadata: {}, content, buffers: [], channel };
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  async answer(message) {
    const { msg_type: kind } = message.header;
    this.tell(message, "iopub", "status", { execution_state: "busy" });
    if (kind === "kernel_info_request") this.tell(message, "shell", "kernel_info_reply", INFO);
    if (kind === "comm_info_request") this.tell(message, "shell", "comm_info_reply", { status: "ok", comms: {} });
    if (kind === "comm_msg") {
      const send = (comm_id, content) => this.tell(message, "iopub", "comm_msg", { comm_id, data: content });
      const later = (comm_id, content) => this.tell(null, "iopub", "comm_msg", { comm_id, data: content });
      kernel.socket = this;
      await kernel.hear(message.content, send, later).catch(console.error);
    }
    this.tell(message, "iopub", "status", IDLE);
  }
}

const json = (value) => new Response(JSON.stringify(value), { headers: { "Content-Type": "application/json" } });

async function storedFetch(request, options) {
  const { pathname, href } = new URL(request.url ?? request, location.href);
  if (pathname.includes("/api/kernels/")) {
    if (live.taken) return ask(href.replace(`/${KERNEL_ID}`, `/${live.kernel}`));
    return json({ id: KERNEL_ID, name: "python3", connections: 1 });
  }
  if (STORE) return ask(request, options);
  if (pathname.endsWith("course.json")) return json(await unpacked(await scripted("course")));
  return new Response("{}", { status: 404 });
}

globalThis.WebSocket = StoredSocket;
globalThis.fetch = storedFetch;
// By which a page ends its kernel.
navigator.sendBeacon = (url, form) => !live.kernel || beacon(url.replace(/stored$/, live.kernel), form);
