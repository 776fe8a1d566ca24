// Search, and the meanings of symbols: both from one file of data about the course, loaded when it is first asked for.

const HITS = 12;
const here = document.body.dataset.chapter;
const { home } = document.body.dataset;
const { lang } = document.documentElement;
const folder = lang === "en" ? "" : `${lang}/`;
let data;
const course = () => (data ??= fetch(`${document.body.dataset.baseUrl}${folder}course.json`).then((answer) => answer.json()));

const made = (tag, text, className = "") => Object.assign(document.createElement(tag), { textContent: text, className });
const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

// ---- Search ----

const box = document.querySelector(".nv-search input");
const hits = document.querySelector(".nv-search ol");

// Every word must occur; those in titles count more.
function score(words, title, text) {
  const inTitle = folded(title);
  const inText = folded(text);
  if (!words.every((word) => inTitle.includes(word) || inText.includes(word))) return 0;
  return 1 + words.filter((word) => inTitle.includes(word)).length * 3;
}

function excerpt(text, [word]) {
  const at = Math.max(0, folded(text).indexOf(word) - 40);
  return `${at ? "… " : ""}${text.slice(at, at + 140)}${text.length > at + 140 ? " …" : ""}`;
}

async function search() {
  const words = folded(box.value).split(/\s+/).filter(Boolean);
  const { sections, glossary } = await course();
  const terms = glossary.map(({ term, meaning, home }) => ({
    rank: 2 * score(words, term, ""), title: term, where: worded("Glossary"), text: meaning, address: home[0]?.page ?? "",
  }));
  const places = sections.map(({ chapter, page, title, link, text }) => ({
    rank: score(words, title, text), title, where: chapter, text: excerpt(text, words), address: page + link,
  }));
  const found = words.length ? [...terms, ...places].filter(({ rank }) => rank).sort((a, b) => b.rank - a.rank) : [];
  hits.replaceChildren(...found.slice(0, HITS).map(item));
  hits.hidden = !words.length;
  if (words.length && !found.length) hits.append(made("li", worded("Nothing found.")));
}

function item({ title, where, text, address }) {
  const line = document.createElement("li");
  const link = made("a", title);
  link.href = home + address;
  line.append(link, made("small", ` ${where}`), made("span", text));
  return line;
}

box.addEventListener("input", search);
document.addEventListener("click", (event) => {
  if (!event.target.closest(".nv-search") || event.target.closest(".nv-search a")) hits.hidden = true;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, select, textarea, [contenteditable]")) {
    event.preventDefault();
    box.focus();
  } else if (event.key === "Escape") hits.hidden = true;
});

// ---- Symbols ----

const bubble = made("div", "", "nv-bubble");
Object.assign(bubble, { hidden: true, role: "tooltip" });
document.body.append(bubble);

// A formula's part as text: MathJax names each character by its code, `mjx-c1D70E` is an italic σ.
const read = (part) =>
  [...part.querySelectorAll("mjx-c")]
    .map((glyph) => String.fromCodePoint(parseInt(glyph.className.match(/mjx-c([0-9A-F]+)/)[1], 16)))
    .join("")
    .normalize("NFKC");

// The ways to read what is pointed at, the longest first: `σ_w`, then `σ`.
function readings(glyph) {
  const symbol = glyph.closest("mjx-mi");
  const whole = symbol?.parentElement;
  if (!symbol) return [];
  const below = whole.tagName === "MJX-MSUB" && whole.firstElementChild === symbol && whole.querySelector("mjx-script");
  return below ? [`${read(symbol)}_${read(below)}`, read(symbol)] : [read(symbol)];
}

async function meaning(glyph) {
  const { glossary } = await course();
  const known = glossary.filter((entry) => !entry.in.length || entry.in.includes(here));
  for (const symbol of readings(glyph)) {
    const entries = known.filter((entry) => entry.symbols.includes(symbol));
    const entry = entries.find((one) => one.in.length) ?? entries[0]; // what is said of this chapter counts
    if (entry) return { symbol, entry };
  }
  return undefined;
}

// The controls and plots that stand for a symbol: labels have `σw` for σ_w.
function places(symbol) {
  const word = symbol.replace("_", "");
  return [...document.querySelectorAll(".nv-control, .nv-plot")].filter((part) => {
    const label = part.querySelector(".widget-label, .annotation-text")?.textContent ?? "";
    return label.split(/[\s,()]+/).includes(word);
  });
}

function hide() {
  bubble.hidden = true;
  document.querySelectorAll(".nv-lit").forEach((part) => part.classList.remove("nv-lit"));
}

async function explain(event) {
  const glyph = event.target.closest?.("mjx-c");
  hide();
  const found = glyph && (await meaning(glyph));
  if (!found) return;
  bubble.replaceChildren(made("b", found.entry.term), made("span", found.entry.meaning));
  bubble.hidden = false;
  const { left, bottom, top } = glyph.getBoundingClientRect();
  const below = bottom + bubble.offsetHeight + 8 < innerHeight;
  bubble.style.left = `${Math.max(8, Math.min(left, innerWidth - bubble.offsetWidth - 8))}px`;
  bubble.style.top = `${below ? bottom + 6 : top - bubble.offsetHeight - 6}px`;
  places(found.symbol).forEach((part) => part.classList.add("nv-lit"));
}

document.addEventListener("pointerover", explain);
document.addEventListener("pointerdown", explain);
addEventListener("scroll", hide, { passive: true });

// For those who do not point: all symbols of the page, at its foot.
async function listSymbols(event) {
  const list = event.target.querySelector("dl");
  if (!event.target.open || list.children.length) return;
  const entries = new Map();
  for (const glyph of document.querySelectorAll("main mjx-mi mjx-c")) {
    const found = await meaning(glyph);
    if (found) entries.set(found.symbol, found.entry);
  }
  for (const [symbol, { term, meaning }] of entries) {
    const name = made("dt", symbol.split("_")[0]);
    if (symbol.includes("_")) name.append(made("sub", symbol.split("_")[1]));
    list.append(name, made("dd", worded("{term}. {meaning}", { term, meaning })));
  }
}

document.querySelector(".nv-symbols")?.addEventListener("toggle", listSymbols);
