// The static edition has no server: here the page's own scripts find what they would ask of one. Jupyter's code in the
// page opens a socket to its kernel as usual; `kernel.js` answers.

const KERNEL_ID = "stored";
const IDLE = { execution_state: "idle" };
const INFO = {
  status: "ok", protocol_version: "5.3", implementation: "stored", implementation_version: "1", banner: "", help_links: [],
  language_info: { name: "python", version: "3", mimetype: "text/x-python", file_extension: ".py" },
};

// Decodes a file of data: base64 of gzipped JSON, in which `{"$": k}` stands for the value k of a pool.
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
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
const data = new Map();
globalThis.ntkvizData = (name, text) => data.get(name).resolve(text);

function load(name) {
  if (!data.has(name)) {
    data.set(name, Promise.withResolvers());
    const script = document.createElement("script");
    script.src = `data/${name}.js`;
    script.onerror = () => data.get(name).reject(new Error(`${name} could not be loaded`));
    document.head.append(script);
  }
  return data.get(name).promise;
}

class StoredSocket extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  protocol = "";
  readyState = 0;

  constructor(url) {
    super();
    this.url = url;
    // Jupyter's code waits four seconds for the states of all widgets: it is told of a kernel once they are there.
    kernel.started.then(() => {
      this.readyState = 1;
      this.onopen?.(new Event("open"));
    });
  }

  send(text) {
    const message = JSON.parse(text);
    setTimeout(() => this.answer(message));
  }

  close() {
    this.readyState = 3;
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
      await kernel.hear(message.content.comm_id, message.content.data, send, later).catch(console.error);
    }
    this.tell(message, "iopub", "status", IDLE);
  }
}

const json = (value) => new Response(JSON.stringify(value), { headers: { "Content-Type": "application/json" } });

async function storedFetch(request) {
  const { pathname } = new URL(request.url ?? request, location.href);
  if (pathname.includes("/api/kernels/")) return json({ id: KERNEL_ID, name: "python3", connections: 1 });
  if (pathname.endsWith("course.json")) return json(await unpacked(await load("course")));
  return new Response("{}", { status: 404 });
}

globalThis.WebSocket = StoredSocket;
globalThis.fetch = storedFetch;
navigator.sendBeacon = () => true; // by which a page ends its kernel
