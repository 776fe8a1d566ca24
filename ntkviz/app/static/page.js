// The frame of a page: the menu of chapters with marks for those read, and the rail, which leads to its sections.

// A section has a name in the rail if its heading starts with an anchor: `## <a id="idea"></a>Where the kernel comes from`.
const RAIL = {
  play: worded("Play"),
  idea: worded("Idea"),
  formula: worded("Formula"),
  code: worded("Code"),
  exercise: worded("Exercise"),
  recap: worded("Recap"),
};
const READ = "ntkviz-read"; // in the browser's storage: the names of the chapters that were read to their recap
const here = document.body.dataset.chapter;

const remembered = () => JSON.parse(localStorage.getItem(READ) ?? "[]");

function markRead() {
  const read = new Set(remembered());
  for (const item of document.querySelectorAll(".nv-menu li")) {
    const known = read.has(item.dataset.chapter);
    item.classList.toggle("nv-read", known);
    const link = item.querySelector("a");
    if (known) link.setAttribute("aria-label", worded("{chapter} (read)", { chapter: link.textContent }));
  }
}

function remember() {
  localStorage.setItem(READ, JSON.stringify([...new Set([...remembered(), here])]));
  markRead();
}

function buildRail() {
  const rail = document.querySelector(".nv-rail");
  const tour = document.querySelector(".nv-tour");
  if (tour) tour.id = "play";
  const links = new Map();
  for (const [id, name] of Object.entries(RAIL)) {
    const section = document.getElementById(id);
    if (!section) continue;
    const link = document.createElement("a");
    link.href = `#${id}`;
    link.textContent = name;
    // Without changing the address, which has the state of the controls.
    link.addEventListener("click", (event) => {
      event.preventDefault();
      section.scrollIntoView({ block: "start" });
    });
    links.set(section, link);
  }
  if (links.size > 1) rail.append(...links.values());
  return links;
}

// Marks the section that is being read: the last one that has reached the upper third of the window, or, at the end of the
// page, the last of all.
function followReading(links) {
  const look = () => {
    const atEnd = innerHeight + scrollY > document.documentElement.scrollHeight - 4;
    const reached = [...links.keys()].filter((section) => atEnd || section.getBoundingClientRect().top < innerHeight / 3);
    links.forEach((link) => link.removeAttribute("aria-current"));
    links.get(reached.at(-1))?.setAttribute("aria-current", "true");
    if (reached.at(-1)?.id === "recap") remember();
  };
  addEventListener("scroll", () => requestAnimationFrame(look), { passive: true });
}

// A link to a section leads there once the page, which Voilà shows when it is complete, can be scrolled.
function goToSection() {
  const section = !location.hash.includes("=") && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!section) return;
  const waiting = setInterval(() => {
    if (document.getElementById("loading")) return;
    clearInterval(waiting);
    section.scrollIntoView();
  }, 100);
}

// The page in another language, and that of the running course to which the static edition may lead, take the settings
// and the place with them.
document.querySelectorAll(".nv-language, .nv-live").forEach((link) => {
  link.addEventListener("click", () => {
    link.hash = location.hash;
  });
});

// Another language is remembered for the next visit (server/translations.py).
document.querySelectorAll(".nv-language").forEach((link) => {
  link.addEventListener("click", () => {
    document.cookie = `ntkviz-language=${link.lang}; path=/; max-age=31536000; samesite=lax`;
  });
});

const menu = document.querySelector(".nv-menu");
document.addEventListener("click", (event) => {
  if (!menu.contains(event.target)) menu.open = false;
});
menu.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

markRead();
followReading(buildRail());
goToSection();
