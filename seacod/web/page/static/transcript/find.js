// Search in a text, and other words for what was found. The whole text is searched, not only what the
// browser has drawn.
import { at, isOfInputMethod } from "../dom.js";
import { put } from "../language.js";
import { Marks } from "./marks.js";
import { replaced } from "./sentences.js";

const LATER_MS = 150;

export class Find {
  // host: {doc, view, isComplete, reveal(line)} of the text.
  constructor(prefix, host) {
    this.host = host;
    this.form = at(`${prefix}-find`);
    this.found = new Marks("sc-found");
    this.present = new Marks("sc-found-now");
    this.places = [];
    this.number = -1;
    const part = (name) => this.form.querySelector(`[data-do=${name}]`);
    this.wanted = part("wanted");
    this.other = part("other");
    this.count = this.form.querySelector("[data-count]");
    this.wanted.addEventListener("input", () => this.#look(true));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#go(1);
    });
    part("previous").addEventListener("click", () => this.#go(-1));
    part("replace").addEventListener("click", () => this.#replace());
    part("all").addEventListener("click", () => this.#replaceAll());
    part("close").addEventListener("click", () => this.close());
    this.form.addEventListener("keydown", (event) => {
      if (isOfInputMethod(event)) return;
      if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        this.close();
      } else if (event.key === "Enter" && event.target === this.wanted && event.shiftKey) {
        event.preventDefault();
        this.#go(-1);
      } else if (event.key === "Enter" && event.target === this.other) {
        event.preventDefault();
        this.#replace();
      }
    });
  }

  get isOpen() {
    return !this.form.hidden;
  }

  open() {
    const selected = getSelection()?.toString() ?? "";
    this.form.hidden = false;
    if (selected && selected.length < 80 && !selected.includes("\n")) this.wanted.value = selected;
    this.wanted.focus();
    this.wanted.select();
    this.#look(true);
  }

  close() {
    this.form.hidden = true;
    this.#forget();
    this.host.view.box.focus({ preventScroll: true });
  }

  // The text is another one now.
  changed() {
    if (!this.isOpen) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#look(false), LATER_MS);
  }

  #forget() {
    clearTimeout(this.timer);
    this.found.clear();
    this.present.clear();
    this.places = [];
    this.number = -1;
    put(this.count, null);
  }

  #look(isFresh) {
    const before = this.number;
    this.#forget();
    const wanted = this.wanted.value.toLowerCase();
    if (!wanted) return;
    const { doc, view } = this.host;
    for (const sentence of doc.sentences) {
      const own = placesOf(sentence.text, wanted);
      if (!own.length) continue;
      this.found.put(sentence.id, view.line(sentence.id)?.firstChild, own);
      for (const place of own) this.places.push({ sentence, ...place });
    }
    if (isFresh) this.#go(1, false);
    else {
      this.number = Math.min(Math.max(0, before), this.places.length - 1);
      this.#show(false);
    }
  }

  #go(step, isAsked = true) {
    const many = this.places.length;
    if (many) this.number = this.number < 0 ? 0 : (this.number + step + many) % many;
    this.#show(true, isAsked);
  }

  #show(isMoved) {
    const place = this.places[this.number];
    put(this.count, place ? "tr_found" : "tr_not_found", { number: this.number + 1, count: this.places.length });
    this.present.clear();
    if (!place) return;
    const line = this.host.view.line(place.sentence.id);
    this.present.put(this, line?.firstChild, [place]);
    if (isMoved && line) this.host.reveal(line);
  }

  #replace() {
    if (!this.host.isComplete) return;
    const place = this.places[this.number];
    if (!place) return;
    const { doc } = this.host;
    const index = doc.index(place.sentence.id);
    if (index < 0) return;
    doc.change(index, 1, [replaced(doc.sentences[index], [place], this.other.value)], this.#caret(place));
    const number = this.number;
    this.#look(false);
    // What was written is not found again at once, even if it has the word in it.
    const end = place.from + this.other.value.length;
    const next = this.places.findIndex((one) => {
      const at = doc.index(one.sentence.id);
      return at > index || (at === index && one.from >= end);
    });
    this.number = next >= 0 ? next : Math.min(number, this.places.length - 1);
    this.#show(true);
  }

  #replaceAll() {
    if (!this.places.length || !this.host.isComplete) return;
    const { doc } = this.host;
    const bySentence = new Map();
    for (const place of this.places) {
      const { id } = place.sentence;
      if (bySentence.has(id)) bySentence.get(id).push(place);
      else bySentence.set(id, [place]);
    }
    const made = doc.sentences.map((sentence) => {
      const own = bySentence.get(sentence.id);
      return own ? replaced(sentence, own, this.other.value) : sentence;
    });
    const first = made.findIndex((one, i) => one !== doc.sentences[i]);
    if (first < 0) return;
    const behind = made.findLastIndex((one, i) => one !== doc.sentences[i]) + 1;
    const count = this.places.length;
    doc.change(first, behind - first, made.slice(first, behind), this.#caret(this.places[0]));
    this.#look(false);
    put(this.count, "tr_replaced", { count });
  }

  #caret({ sentence, from }) {
    const caret = { id: sentence.id, offset: from };
    return { caret: { before: caret, after: caret } };
  }
}

function placesOf(text, wanted) {
  const lower = text.toLowerCase();
  const searched = lower.length === text.length ? lower : text;
  const places = [];
  for (let from = searched.indexOf(wanted); from >= 0; from = searched.indexOf(wanted, from + wanted.length)) {
    places.push({ from, to: from + wanted.length });
  }
  return places;
}
