// Marks in texts, drawn by the browser over ranges (CSS.highlights), so that a sentence stays plain
// text: what is doubtful, what is heard now, what was found. One of each kind for the whole page.
const KINDS = ["sc-doubt", "sc-heard", "sc-found", "sc-found-now"];
const isKnown = typeof Highlight === "function" && Boolean(CSS.highlights);
const drawn = {};
if (isKnown) {
  for (const kind of KINDS) CSS.highlights.set(kind, (drawn[kind] = new Highlight()));
  drawn["sc-heard"].priority = 1;
  drawn["sc-found-now"].priority = 2;
}

// What one text has of a kind; the others' stay.
export class Marks {
  #ranges = new Map();

  constructor(kind) {
    this.all = drawn[kind] ?? null;
  }

  // node: a text node; places: [{from, to}] in it. Instead of what `owner` had.
  put(owner, node, places) {
    this.take(owner);
    if (!this.all || !node || !places.length) return;
    const made = places
      .filter(({ to }) => to <= node.length)
      .map(({ from, to }) => new StaticRange({
        startContainer: node, startOffset: from, endContainer: node, endOffset: to,
      }));
    for (const range of made) this.all.add(range);
    this.#ranges.set(owner, made);
  }

  take(owner) {
    for (const range of this.#ranges.get(owner) ?? []) this.all.delete(range);
    this.#ranges.delete(owner);
  }

  clear() {
    for (const owner of [...this.#ranges.keys()]) this.take(owner);
  }
}
