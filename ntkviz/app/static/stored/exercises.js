// Exercises whose answers are stored: what exercises/*.py do in a kernel, with the same words.

const BY_MEASUREMENT = worded(
  "This answer is checked by a measurement, which needs the running course. The hints and the solution are here.",
);
const LARGEST = 1e15;

const escaped = (text) => Object.assign(document.createElement("i"), { textContent: text }).innerHTML;
const status = (html) => `<span role="status">${html}</span>`;
const verdict = (style, word, why) => status(`<span class="${style}">${word}</span> ${escaped(why)}`);

// What the browser keeps of an exercise (keeper.py).
class StoredKeeper {
  constructor(id, restore) {
    this.id = id;
    this.kept = {};
    kernel.listen(id, ({ stored }) => {
      if (!stored) return;
      this.remember(stored);
      restore();
    });
  }

  remember(changes) {
    this.kept = { ...this.kept, ...changes };
    kernel.update(this.id, { kept: this.kept });
    this.changed?.();
  }
}

class StoredTask {
  constructor(spec) {
    this.spec = spec;
    this.opened = 0;
    this.keeper = new StoredKeeper(spec.keeper, () => this.restore());
    kernel.listen(spec.ask, (_, { event }) => event === "click" && this.ask());
    kernel.listen(spec.hints.button, (_, { event }) => event === "click" && this.open(this.opened + 1));
    if (spec.field) kernel.listen(spec.field, ({ value }) => value !== undefined && this.ask());
  }

  get variant() {
    const { variants } = this.spec;
    return variants[(this.keeper.kept.seed ?? 0) % variants.length];
  }

  restore() {
    // A kernel draws any numbers from a seed, also those that are stored: the reader will keep these.
    if (STORE) this.keeper.remember({ seed: (this.keeper.kept.seed ?? 0) % this.spec.variants.length });
    const { answer, hints, solved } = this.keeper.kept;
    kernel.update(this.spec.question, { value: this.variant.question });
    if (answer && this.spec.field) kernel.update(this.spec.field, { value: answer });
    this.open(Number(hints) || 0);
    if (!solved) return;
    kernel.update(this.spec.verdict, { value: verdict("nv-right", worded("Solved."), "") });
    this.solve();
  }

  // ---- Hints ----

  get texts() {
    const { hints, solution } = this.variant;
    const numbered = hints.map((hint, k) => worded("<b>Hint {k}.</b> {hint}", { k: k + 1, hint }));
    return solution ? [...numbered, worded("<b>Solution.</b> {solution}", { solution })] : numbered;
  }

  open(count) {
    const { texts } = this;
    const last = this.variant.hints.length;
    this.opened = Math.min(count, texts.length);
    this.say(texts.slice(0, this.opened));
    const another = worded("Hint {k} of {last}", { k: this.opened + 1, last });
    const description = this.opened < last ? another : worded("Show the solution");
    kernel.update(this.spec.hints.button, { description });
    kernel.layout(this.spec.hints.button, { display: this.opened === texts.length ? "none" : null });
    this.keeper.remember({ hints: this.opened });
  }

  say(texts) {
    const shown = texts.map((text) => `<p>${text}</p>`).join("");
    kernel.update(this.spec.hints.shown, { value: shown && `<div role="status">${shown}</div>` });
  }

  solve() {
    if (!this.variant.solution) return;
    this.say([this.texts.at(-1)]);
    kernel.layout(this.spec.hints.button, { display: "none" });
  }

  // Whether the next stage of a derivation may be shown; what cannot be checked counts once its solution is read.
  get done() {
    return this.keeper.kept.solved === true || (!STORE && !this.variant.check && this.opened === this.texts.length);
  }

  // ---- Answers ----

  ask() {
    const { check } = this.variant;
    if (!this.spec.field) return this.measure();
    const text = kernel.state(this.spec.field).value;
    this.keeper.remember({ answer: text });
    const { number, refusal } = parsed(text, this.spec.whole);
    if (refusal) return this.tell("nv-wrong", "", refusal);
    if (!check) return this.measure();
    if (Math.abs(number - check.right) > check.within * Math.abs(check.right)) {
      const which = check.right > number ? worded("It is larger than that.") : worded("It is smaller than that.");
      return this.tell("nv-wrong", worded("Not yet."), which);
    }
    this.tell("nv-right", worded("Yes."), check.said);
    this.keeper.remember({ solved: true });
    return this.solve();
  }

  measure() {
    if (!STORE) return this.tell("", "", BY_MEASUREMENT);
    const click = { comm_id: this.spec.ask, data: { method: "custom", content: { event: "click" } } };
    return live.begin((text) => this.tell("", "", text), click);
  }

  tell(style, word, why) {
    kernel.update(this.spec.verdict, { value: verdict(style, word, why) });
  }
}

// The number that a reader typed, or why it is none (exercise.py).
function parsed(text, whole) {
  const typed = text.trim();
  let plain = typed.replaceAll("−", "-");
  if (whole && /^[+-]?\d{1,3}([,\u202f\u00a0 ]\d{3})+$/.test(plain)) plain = plain.replace(/[^\d+-]/g, "");
  if (!plain) return { refusal: whole ? worded("Type a whole number such as 1000.") : worded("Type a number such as 1.25.") };
  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
  if (Number.isNaN(number) || (whole && Math.abs(number) <= LARGEST && !Number.isInteger(number))) {
    if (whole) return { refusal: worded("“{typed}” is not a whole number such as 1000.", { typed }) };
    return { refusal: worded("“{typed}” is not a number such as 1.25.", { typed }) };
  }
  if (Math.abs(number) <= LARGEST) return { number };
  return { refusal: worded("{typed} is too large for this page; type a smaller number.", { typed }) };
}

function storedDerivation({ stages }) {
  const tasks = stages.map((stage) => new StoredTask(stage));
  const open = () => {
    let closed = false;
    tasks.forEach((task, k) => {
      kernel.layout(stages[k].box, { display: closed ? "none" : null });
      closed ||= !task.done;
    });
  };
  for (const task of tasks) task.keeper.changed = open;
}

function storedQuiz({ keeper: id, score, items }) {
  const keeper = new StoredKeeper(id, () => {
    if (keeper.kept.solved) kernel.update(score, { value: verdict("nv-right", worded("Solved."), "") });
  });
  const right = new Set();
  const judge = (item, k) => {
    const chosen = kernel.state(item.choice).index;
    const given = item.right_reason === null ? null : kernel.state(item.reason).index;
    if (chosen === null || given === 0) {
      return kernel.update(item.verdict, { value: chosen === null ? "" : status(worded("Now choose the reason.")) });
    }
    const wrong = [
      ...(chosen === item.right ? [] : [worded("The answer is not right.")]),
      ...(given === item.right_reason ? [] : [worded("The reason is not right.")]),
    ];
    if (wrong.length) right.delete(k);
    else right.add(k);
    kernel.update(score, { value: worded("{right} of {count} right.", { right: right.size, count: items.length }) });
    if (right.size === items.length) keeper.remember({ solved: true });
    const which = item.right_reason !== null && wrong.length === 1 ? wrong[0] : "";
    const value = wrong.length ? verdict("nv-wrong", worded("Not yet."), which) : verdict("nv-right", worded("Yes."), item.why);
    return kernel.update(item.verdict, { value });
  };
  items.forEach((item, k) => {
    for (const part of [item.choice, item.reason]) kernel.listen(part, ({ index }) => index !== undefined && judge(item, k));
  });
}

kernel.started = kernel.start();

function storedExercise(spec) {
  if (spec.kind === "quiz") storedQuiz(spec);
  else if (spec.kind === "derivation") storedDerivation(spec);
  else new StoredTask(spec);
}
