// The toolbar under a picture: Reset, Copy link, CSV, Present. Keeps the state of the controls in the page's address.
// The fragment (#depth=3&…) is never sent to the server, so a link works with a preheated kernel.

const STORED = document.body.dataset.stored === ""; // the static edition, which has no kernel to write a CSV
const DASHBOARD = "voila" in document.body.dataset; // JupyterLab's address belongs to JupyterLab
const FRAMED = document.body.classList.contains("nv-frame");
// Window size in pixels for which a presented picture is laid out: in a smaller one, legends would overlap headings.
const PRESENTED = { width: 1240, height: 697 };
const ADDRESS_MS = 400; // delay of changes to the address, since browsers reject frequent ones

function button(label, title, onClick) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "nv-button";
  element.textContent = label;
  element.title = title;
  element.addEventListener("click", () => onClick(element));
  return element;
}

function flash(element, text) {
  const label = element.dataset.label ?? (element.dataset.label = element.textContent);
  element.textContent = text;
  setTimeout(() => (element.textContent = label), 1500);
}

function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function address(model, search = "") {
  const url = new URL(location.href);
  url.search = search; // removes the token, which is in a cookie by now
  url.hash = model.get("state");
  return url.href;
}

async function copyLink(model, element) {
  const href = address(model);
  if (DASHBOARD && !FRAMED) history.replaceState(history.state, "", href);
  try {
    await navigator.clipboard.writeText(href);
    flash(element, worded("Copied"));
  } catch {
    flash(element, worded("In the address bar")); // there is no clipboard access on plain http from another machine
  }
}

// An address in JupyterLab does not lead to a picture.
function origin(model) {
  return DASHBOARD ? { page: document.body.dataset.chapter, link: address(model) } : {};
}

// Sets the scale at which a window of size PRESENTED fills the actual one.
function enlarge() {
  const scale = Math.max(1, Math.min(innerWidth / PRESENTED.width, innerHeight / PRESENTED.height));
  document.body.style.setProperty("--nv-scale", scale);
}

// plotly measures its container only when the window changes; a longer sentence under a plot shrinks that container.
const places = new ResizeObserver(() => window.dispatchEvent(new Event("resize")));

function present(el, element) {
  const cell = el.closest(".jp-Cell");
  const on = !document.body.classList.contains("nv-present");
  document.querySelectorAll(".nv-presented").forEach((other) => other.classList.remove("nv-presented"));
  cell?.classList.toggle("nv-presented", on);
  document.body.classList.toggle("nv-present", on);
  element.setAttribute("aria-pressed", String(on));
  element.textContent = on ? worded("Leave") : worded("Present");
  enlarge();
  document.dispatchEvent(new CustomEvent("ntkviz:present"));
  if (on) cell?.querySelectorAll(".js-plotly-plot").forEach((plot) => places.observe(plot));
  else places.disconnect();
  requestAnimationFrame(() => window.dispatchEvent(new Event("resize")));
}

// noUiSlider announces its own number, that of a choice its index, whenever it moves; readers hear what the readout shows.
const announced = new MutationObserver((changes) => {
  const controls = changes.map(({ target }) => (target.closest ? target : target.parentElement)?.closest(".nv-control"));
  new Set(controls.filter(Boolean)).forEach(announceReadout);
});

function announceReadout(control) {
  const { textContent } = control.querySelector(".widget-readout");
  const handle = control.querySelector(".noUi-handle");
  if (handle.getAttribute("aria-valuetext") !== textContent) handle.setAttribute("aria-valuetext", textContent);
}

// ipywidgets draws a slider's label beside it without associating the two for screen readers.
function nameSliders() {
  document.querySelectorAll(".nv-control").forEach((control) => {
    const label = control.querySelector(".widget-label")?.textContent;
    if (!label) return;
    control.querySelectorAll(".noUi-handle, select, input, .widget-readout").forEach((part) => {
      if (part.getAttribute("aria-label") !== label) part.setAttribute("aria-label", label);
    });
    const handle = control.querySelector(".noUi-handle");
    const readout = control.querySelector(".widget-readout");
    if (!handle || !readout) return;
    readout.tabIndex = -1; // one stop for each slider
    announceReadout(control);
    announced.observe(handle, { attributeFilter: ["aria-valuetext"] });
    announced.observe(readout, { childList: true, characterData: true, subtree: true });
  });
}

// For screen readers: names each panel, and lists its parts that are out of date.
function namePanels(picture) {
  picture.querySelectorAll(".nv-plot, .nv-listing").forEach((panel) => {
    const title = panel.querySelector(".annotation-text, h3")?.textContent;
    const notes = [...panel.querySelectorAll(".nv-note")].map((note) => note.textContent);
    panel.setAttribute("role", "group");
    panel.setAttribute("aria-label", [title, ...notes].filter(Boolean).join(" · "));
  });
}

function render({ model, el }) {
  el.classList.add("nv-toolbar");
  const alone = worded("Show the picture alone, for a lecture (Esc to leave)");
  const presenting = button(worded("Present"), alone, (b) => present(el, b));
  const reset = button(worded("Reset"), worded("Restore this page's initial settings"), () => model.send({ reset: true }));
  reset.classList.add("nv-reset"); // by which the steps know it
  const numbers = worded("Download the numbers in these plots");
  const writing = button(worded("CSV"), numbers, () => model.send({ csv: origin(model) }));
  el.append(
    reset,
    button(worded("Copy link"), worded("Copy a link to the current settings"), (b) => copyLink(model, b)),
    ...(STORED ? [] : [writing]),
    ...(FRAMED ? [] : [presenting]),
  );

  let timer;
  let gone = false;
  const showState = () => {
    nameSliders();
    clearTimeout(timer);
    timer = setTimeout(() => {
      nameSliders(); // again, since the sliders themselves may appear a little later
      if (DASHBOARD) history.replaceState(history.state, "", address(model, FRAMED ? "?frame" : ""));
    }, ADDRESS_MS);
  };
  // The address to which the reader went: by now it may have been replaced by that of the settings before.
  const follow = (event) => {
    const { hash } = new URL(event?.newURL || location.href);
    if (hash.includes("=") && DASHBOARD) model.send({ link: hash.slice(1) });
  };
  // A step of the chapter (tour.js); JupyterLab has no such page, and its links to settings are followed here.
  const show = ({ detail }) => model.send({ link: detail });
  const followLink = (event) => {
    const link = event.target.closest("a[href^='#']")?.getAttribute("href") ?? "";
    if (event.defaultPrevented || !/=|^#start$/.test(link)) return;
    event.preventDefault();
    model.send({ link: link.slice(1).replace(/^start$/, "") });
  };
  const leave = (event) => {
    if (event.key === "Escape" && document.body.classList.contains("nv-present")) present(el, presenting);
  };
  model.on("change:state", showState);
  model.on("msg:custom", (message) => message.files?.forEach(({ name, text }) => download(name, text)));
  window.addEventListener("hashchange", follow);
  document.addEventListener("ntkviz:show", show);
  document.addEventListener("click", followLink);
  window.addEventListener("keydown", leave);
  window.addEventListener("resize", enlarge);
  model.send({ shown: true }); // a preheated kernel has waited for this
  follow();
  const panels = new MutationObserver(() => namePanels(el.closest(".nv-picture")));
  requestAnimationFrame(function watch() {
    const picture = el.closest(".nv-picture"); // once it is on the page
    if (picture) panels.observe(picture, { subtree: true, childList: true, attributeFilter: ["class"] });
    else if (!gone) requestAnimationFrame(watch);
  });
  const naming = setInterval(nameSliders, 500);
  setTimeout(() => clearInterval(naming), 10000);
  return () => {
    window.removeEventListener("hashchange", follow);
    document.removeEventListener("ntkviz:show", show);
    document.removeEventListener("click", followLink);
    window.removeEventListener("keydown", leave);
    window.removeEventListener("resize", enlarge);
    gone = true;
    panels.disconnect();
    clearInterval(naming);
  };
}

export default { render };
