// The sentences of a text, in their order, with every change that was made to them: each can be undone.
// A change is a splice: so many sentences at a place, and what stands there now.
const TYPING_MS = 1500;
const MOST_UNDONE = 500;

export class Doc {
  #done = [];
  #undone = [];
  #listeners = [];

  constructor(sentences = []) {
    this.sentences = sentences;
    // Somebody else writes it now.
    this.isLocked = false;
  }

  // act(change): {at, removed, inserted, caret}; for the one who shows and the one who keeps it.
  onChange(act) {
    this.#listeners.push(act);
  }

  index(id) {
    return this.sentences.findIndex((one) => one.id === id);
  }

  get canUndo() {
    return !this.isLocked && this.#done.length > 0;
  }

  get canRedo() {
    return !this.isLocked && this.#undone.length > 0;
  }

  // caret: {before, after}, each {id, offset}, for who undoes it. joins: changes of the same kind
  // that follow each other soon are undone together.
  change(at, count, inserted, { caret = {}, joins = null } = {}) {
    if (this.isLocked) return;
    const removed = this.sentences.slice(at, at + count);
    if (removed.length === inserted.length && removed.every((one, i) => one === inserted[i])) return;
    const latest = this.#going(at, joins, caret.before);
    const now = performance.now();
    if (latest) Object.assign(latest, { inserted, when: now, after: caret.after });
    else {
      this.#done.push({ at, removed, inserted, joins, when: now, before: caret.before, after: caret.after });
      if (this.#done.length > MOST_UNDONE) this.#done.shift();
    }
    this.#undone = [];
    this.#apply(at, removed, inserted, null);
  }

  // What a sentence was before what is typed now in one go, if it goes on: from that its words are
  // timed, not from each letter in between.
  before(at, joins, caret) {
    return this.#going(at, joins, caret)?.removed[0] ?? null;
  }

  #going(at, joins, caret) {
    const latest = this.#done.at(-1);
    const isSame = joins && latest?.joins === joins && latest.at === at
      && performance.now() - latest.when < TYPING_MS
      && Math.abs(caret.offset - latest.after.offset) <= 1;
    return isSame ? latest : null;
  }

  undo() {
    const step = this.canUndo && this.#done.pop();
    if (!step) return;
    this.#undone.push(step);
    this.#apply(step.at, step.inserted, step.removed, step.before ?? null);
  }

  redo() {
    const step = this.canRedo && this.#undone.pop();
    if (!step) return;
    this.#done.push({ ...step, joins: null });
    this.#apply(step.at, step.removed, step.inserted, step.after ?? null);
  }

  // As it comes from the service: nothing that anybody would undo.
  append(sentences) {
    this.#apply(this.sentences.length, [], sentences, null, true);
  }

  #apply(at, removed, inserted, caret, isGiven = false) {
    // In place: a splice of thousands would overflow the stack as arguments.
    this.sentences = [
      ...this.sentences.slice(0, at), ...inserted, ...this.sentences.slice(at + removed.length),
    ];
    for (const act of this.#listeners) act({ at, removed, inserted, caret, isGiven });
  }
}
