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

// The seed of the reader's numbers, the same for all exercises of a chapter: the stages of a derivation share theirs.
function seed() {
  const key = `ntkviz-seed-${chapter}`;
  const [drawn] = crypto.getRandomValues(new Uint32Array(1));
  const kept = read(key, drawn);
  localStorage.setItem(key, JSON.stringify(kept));
  return kept;
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
  model.set("stored", { seed: seed(), ...read(key, {}) });
  model.save_changes();
  return () => model.off("change:kept", keep);
}

export default { render };
