// The text on the page: sentences (p) in paragraphs (.sc-block). Only what is near is laid out and
// drawn (content-visibility), so an hour is no more work than a minute. It shows a document and never
// changes it.
import { el } from "../dom.js";
import { clock, onSwitch, text } from "../language.js";
import { doubtBelow } from "./doubt.js";
import { Marks } from "./marks.js";
import { paragraphs } from "./paragraphs.js";
import { wordHeard } from "./sentences.js";

export class View {
  // onName(speaker, button): somebody wants to change a name.
  constructor(box, { onName = null } = {}) {
    this.box = box;
    this.onName = onName;
    this.doubt = new Marks("sc-doubt");
    this.heard = new Marks("sc-heard");
    this.isEditable = false;
    onSwitch(() => this.#label());
    this.clear();
  }

  clear() {
    this.doubt?.clear();
    this.heard?.clear();
    this.lines = new Map();
    this.blocks = new Map();
    this.sentences = [];
    this.partial = null;
    this.now = null;
    this.limit = 0;
    this.box.replaceChildren();
  }

  // All of it as it is now; only what has changed is drawn.
  show(sentences) {
    this.sentences = sentences;
    this.#draw();
  }

  // What is being said: it may still change.
  showPartial(words) {
    if (!words) {
      this.partial?.remove();
      this.partial = null;
      return;
    }
    this.partial ??= el("p", { class: "sc-partial" });
    this.partial.textContent = words;
    this.box.append(this.partial);
  }

  line(id) {
    return this.lines.get(id)?.line ?? null;
  }

  sentenceOf(node) {
    const line = (node?.nodeType === Node.TEXT_NODE ? node.parentElement : node)?.closest?.("p[data-id]");
    if (!line || !this.box.contains(line)) return null;
    return this.lines.get(Number(line.dataset.id))?.sentence ?? null;
  }

  setEditable(isEditable) {
    this.isEditable = isEditable;
    this.box.classList.toggle("sc-editing", isEditable);
    for (const { line } of this.lines.values()) this.#allow(line);
  }

  // Once the text is complete: what is low is low beside the rest of it.
  markDoubt() {
    this.limit = doubtBelow(this.sentences);
    for (const one of this.lines.values()) this.#doubtful(one);
  }

  // The sentence and the word that are heard; returns the line, or null between them.
  follow(seconds) {
    const sentence = this.sentenceAt(seconds);
    const line = sentence && this.line(sentence.id);
    if (line !== this.now) {
      this.now?.classList.remove("sc-now");
      line?.classList.add("sc-now");
      this.now = line;
    }
    const word = sentence && wordHeard(sentence, seconds);
    const mark = word && `${sentence.id} ${word.from} ${word.to}`;
    if (mark !== this.mark) {
      this.heard.clear();
      if (word) this.heard.put(this, line.firstChild, [word]);
      this.mark = mark;
    }
    return line;
  }

  // The last one that has begun; it stays until the next one begins.
  sentenceAt(seconds) {
    let [low, high] = [0, this.sentences.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.sentences[middle].start <= seconds + 0.01) low = middle + 1;
      else high = middle;
    }
    return low ? this.sentences[low - 1] : null;
  }

  // -- drawing ------------------------------------------------------------------------------------

  #draw() {
    const kept = new Set();
    const blocks = new Map();
    let [before, speaker, latest] = [null, null, null];
    for (const part of paragraphs(this.sentences)) {
      const key = part[0].id;
      const block = this.blocks.get(key) ?? makeBlock();
      blocks.set(key, block);
      if (block.box !== (before ? before.nextElementSibling : this.box.firstElementChild)) {
        if (before) before.after(block.box);
        else this.box.prepend(block.box);
      }
      before = block.box;
      const lines = part.map((sentence) => this.#line(sentence));
      const mark = part.map((one) => one.id).join();
      if (mark !== block.mark) {
        block.mark = mark;
        block.body.replaceChildren(...lines);
      }
      for (const { id } of part) kept.add(id);
      latest = part[0].speaker ?? null;
      this.#head(block, part[0], latest !== speaker ? latest : null);
      speaker = latest;
    }
    for (const [key, { box }] of this.blocks) if (!blocks.has(key)) box.remove();
    this.blocks = blocks;
    for (const [id, one] of this.lines) {
      if (kept.has(id)) continue;
      this.doubt.take(one.line);
      this.lines.delete(id);
    }
    if (this.partial) this.box.append(this.partial);
  }

  #line(sentence) {
    let one = this.lines.get(sentence.id);
    if (one?.sentence === sentence) return one.line;
    if (!one) {
      one = { line: el("p", { "data-id": String(sentence.id) }) };
      this.#allow(one.line);
      this.lines.set(sentence.id, one);
    }
    one.sentence = sentence;
    const { line } = one;
    line.dataset.start = String(sentence.start);
    line.dataset.end = String(sentence.end);
    line.dataset.time = clock(sentence.start);
    // What somebody is typing is there already, with the caret in it.
    if (line.textContent !== sentence.text || line.childNodes.length !== 1) line.textContent = sentence.text;
    line.classList.toggle("sc-open-end", /[\p{L}\p{N}]$/u.test(sentence.text));
    this.#doubtful(one);
    return line;
  }

  #allow(line) {
    if (this.isEditable) {
      line.setAttribute("contenteditable", "plaintext-only");
      // Older browsers know only this.
      if (line.contentEditable !== "plaintext-only") line.contentEditable = "true";
      line.setAttribute("role", "textbox");
      line.setAttribute("spellcheck", "false");
      // One stop of the Tab key for all of them, the text.
      line.tabIndex = -1;
    } else {
      line.removeAttribute("contenteditable");
      line.removeAttribute("role");
      // With it nothing could be selected by dragging in it (Chromium 156).
      line.removeAttribute("tabindex");
    }
    this.#named(line);
  }

  #named(line) {
    if (this.isEditable) line.setAttribute("aria-label", text("tr_sentence_at", { time: line.dataset.time ?? "" }));
    else line.removeAttribute("aria-label");
  }

  #doubtful({ line, sentence }) {
    const places = this.limit
      ? sentence.words.filter((word) => word.confidence !== null && word.confidence < this.limit) : [];
    this.doubt.put(line, line.firstChild, places);
  }

  #head(block, { start }, speaker) {
    const mark = `${start} ${speaker}`;
    if (block.about === mark) return;
    block.about = mark;
    const time = el("span", { class: "sc-time" }, clock(start));
    block.head.replaceChildren(time);
    block.head.classList.toggle("sc-has-name", speaker !== null);
    if (speaker === null) return;
    if (!this.onName) {
      block.head.append(el("b", {}, speaker));
      return;
    }
    const button = el("button", { type: "button", class: "sc-speaker" }, speaker);
    button.title = text("speaker_rename");
    button.addEventListener("click", () => this.onName(speaker, button));
    block.head.append(button);
  }

  // In the other language.
  #label() {
    for (const button of this.box.querySelectorAll("button.sc-speaker")) button.title = text("speaker_rename");
    for (const { line } of this.lines.values()) this.#named(line);
  }
}

function makeBlock() {
  const head = el("div", { class: "sc-turn" });
  const body = el("div", { class: "sc-body" });
  return { box: el("div", { class: "sc-block" }, head, body), head, body, mark: "", about: "" };
}
