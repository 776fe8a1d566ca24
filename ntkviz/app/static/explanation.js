// A question to be answered in the reader's own words, which stay in this browser, and then a model answer to compare.

const ENOUGH = 20; // characters that a reader writes before the model answer can be opened
const chapter = document.body.dataset.chapter ?? "notebook";

function render({ model, el }) {
  const key = `ntkviz-explanation-${chapter}-${model.get("name")}`;
  const label = document.createElement("label");
  label.innerHTML = model.get("question"); // written by the notebook's author
  const words = document.createElement("textarea");
  Object.assign(words, { rows: 4, value: localStorage.getItem(key) ?? "" });
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "nv-button", textContent: worded("Compare with a model answer") });
  const answer = document.createElement("div");
  Object.assign(answer, { className: "nv-model-answer", hidden: true, innerHTML: model.get("answer") });
  answer.setAttribute("role", "status");

  const follow = () => {
    localStorage.setItem(key, words.value);
    button.disabled = words.value.trim().length < ENOUGH;
    button.title = button.disabled ? worded("Write a sentence of your own first") : "";
  };
  words.addEventListener("input", follow);
  button.addEventListener("click", () => (answer.hidden = false));
  follow();
  label.append(words);
  el.classList.add("nv-exercise");
  el.append(label, button, answer);
}

export default { render };
