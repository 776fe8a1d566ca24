// What this browser keeps of an exercise: the reader's numbers, answer, hints and success. Nothing of it is sent anywhere
// but to the kernel of the reader's own page.

const SOLVED = "ntkviz-solved"; // by chapter, the exercises that were solved; the menu of chapters shows their number
const chapter = document.body.dataset.chapter ?? "notebook";

function read(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise; // something else wrote it
  }
}

function render({ model }) {
  const name = model.get("name");
  const key = `ntkviz-exercise-${chapter}-${name}`;
  const keep = () => {
    const kept = model.get("kept");
    localStorage.setItem(key, JSON.stringify(kept));
    if (!kept.solved) return;
    const solved = read(SOLVED, {});
    solved[chapter] = [...new Set([...(solved[chapter] ?? []), name])];
    localStorage.setItem(SOLVED, JSON.stringify(solved));
    document.dispatchEvent(new CustomEvent("ntkviz:solved"));
  };
  model.on("change:kept", keep);
  const [seed] = crypto.getRandomValues(new Uint32Array(1));
  model.set("stored", read(key, { seed }));
  model.save_changes();
  return () => model.off("change:kept", keep);
}

export default { render };
