// For those who hear the page: MathJax draws formulas without text, so each gets one here. And a formula, a table or a
// listing that is larger than its place can be scrolled with the keyboard.

const character = (glyph) => String.fromCodePoint(parseInt(glyph.className.match(/mjx-c([0-9A-F]+)/)?.[1] ?? "20", 16));
const all = (parts) => [...parts].map(spoken).join("");
const below = (words) => worded(" sub {words}", { words });
const above = (words) => worded(" to the {words}", { words });

// The index and the exponent of a symbol that has both: the exponent comes first.
function scripts({ firstElementChild: exponent, lastElementChild: index }) {
  return below(spoken(index)) + above(spoken(exponent));
}

const HOW = {
  "mjx-c": character,
  "mjx-mo": (part) => ` ${all(part.children)} `,
  "mjx-surd": () => "",
  "mjx-msqrt": (part) => worded(" the root of ({words}) ", { words: all(part.children) }),
  "mjx-num": (part) => `(${all(part.children)})`,
  "mjx-den": (part) => worded(" over ({words}) ", { words: all(part.children) }),
  "mjx-under": (part) => below(all(part.children)),
  "mjx-over": (part) => above(all(part.children)),
  "mjx-script": (part) => {
    const base = part.parentElement.localName;
    if (base === "mjx-msubsup") return scripts(part);
    return (base === "mjx-msub" ? below : above)(all(part.children));
  },
};

function spoken(part) {
  return (HOW[part.localName] ?? (() => all(part.children)))(part);
}

function nameFormulas() {
  for (const formula of document.querySelectorAll("mjx-container:not([aria-label])")) {
    formula.setAttribute("role", "math");
    formula.setAttribute("aria-label", spoken(formula).normalize("NFKC").replace(/\s+/g, " ").trim());
  }
}

const scrolled = new ResizeObserver((changes) => {
  for (const { target } of changes) {
    const larger = target.scrollWidth > target.clientWidth + 1 || target.scrollHeight > target.clientHeight + 1;
    if (larger && getComputedStyle(target).overflowX !== "visible") target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});

function watchSizes() {
  const parts = "mjx-container[display], .jp-RenderedHTMLCommon, pre";
  for (const part of document.querySelectorAll(`:is(${parts}):not(.nv-watched, [tabindex])`)) {
    part.classList.add("nv-watched");
    scrolled.observe(part);
  }
}

let waiting;
new MutationObserver(() => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    nameFormulas();
    watchSizes();
  }, 200);
}).observe(document.getElementById("rendered_cells"), { subtree: true, childList: true });
