// Announces that the page has lost its kernel. The settings are in the address, so a reload loses nothing.

const DASHBOARD = "voila" in document.body.dataset; // JupyterLab has its own message
const PATIENCE_MS = 1000; // a brief interruption is not announced

const TRYING = worded("The connection to the server is lost; trying again … Your settings are kept in this page's address.");
const GONE = worded("This page has lost its kernel. Reload it to continue; your settings are kept in its address.");

function banner() {
  const found = document.querySelector(".nv-lost");
  if (found) return found;
  const made = document.createElement("div");
  made.className = "nv-lost";
  made.setAttribute("role", "alert");
  document.body.append(made);
  return made;
}

function say(text) {
  const shown = banner();
  shown.textContent = text;
  const reload = document.createElement("button");
  reload.type = "button";
  reload.className = "nv-button";
  reload.textContent = worded("Reload");
  reload.addEventListener("click", () => location.reload());
  shown.append(reload);
}

function watch(kernel) {
  let gone = false;
  let timer;
  const lose = () => {
    gone = true;
    clearTimeout(timer);
    say(GONE);
  };
  kernel.connectionStatusChanged.connect((_, status) => {
    if (gone) return;
    clearTimeout(timer);
    if (status === "connected") document.querySelector(".nv-lost")?.remove();
    else if (status === "disconnected") lose();
    else timer = setTimeout(() => say(TRYING), PATIENCE_MS);
  });
  // A restarted kernel does not have this page's widgets.
  kernel.statusChanged.connect((_, status) => {
    if (["dead", "autorestarting", "restarting", "terminating"].includes(status)) lose();
  });
}

function initialize({ model }) {
  const kernel = DASHBOARD && model.widget_manager.kernel;
  if (kernel) watch(kernel);
}

export default { initialize, render() {} };
