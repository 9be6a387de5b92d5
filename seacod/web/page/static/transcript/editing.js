// Correcting a text in its place: what is typed goes into the document, sentence by sentence. Enter
// makes two of one, Backspace at its beginning one of two; every step can be undone.
import { isOfInputMethod } from "../dom.js";
import { caretIn, isAtEdge, putCaret } from "./caret.js";
import { edited, joined, split } from "./sentences.js";

const BACKWARD = ["deleteContentBackward", "deleteWordBackward", "deleteSoftLineBackward", "deleteHardLineBackward"];
const FORWARD = ["deleteContentForward", "deleteWordForward", "deleteSoftLineForward", "deleteHardLineForward"];

export class Editing {
  // onSwitch(isOn) when it begins and ends.
  constructor(view, onSwitch) {
    this.view = view;
    this.doc = null;
    this.isOn = false;
    this.onSwitch = onSwitch;
    view.box.addEventListener("beforeinput", (event) => this.#before(event));
    view.box.addEventListener("input", (event) => {
      if (!event.isComposing) this.#take(event.target);
    });
    view.box.addEventListener("compositionend", (event) => this.#take(event.target));
    view.box.addEventListener("keydown", (event) => this.#key(event));
    view.box.addEventListener("drop", (event) => this.isOn && event.preventDefault());
  }

  set(isOn) {
    if (this.isOn === isOn) return;
    this.isOn = isOn;
    this.view.setEditable(isOn);
    if (!isOn) document.activeElement?.blur?.();
    this.onSwitch(isOn);
  }

  // Where a step has left the caret.
  put(caret) {
    const line = caret && this.view.line(caret.id);
    if (!line) return;
    if (this.isOn) putCaret(line, caret.offset);
    const box = line.getBoundingClientRect();
    if (box.top < 80 || box.bottom > innerHeight - 140) line.scrollIntoView({ block: "center" });
  }

  #at(target) {
    const sentence = this.view.sentenceOf(target);
    if (!sentence) return null;
    return { sentence, line: this.view.line(sentence.id), index: this.doc.index(sentence.id) };
  }

  #before(event) {
    if (!this.isOn || !this.doc) return;
    const place = this.#at(event.target);
    if (!place) return;
    const { line, sentence } = place;
    const kind = event.inputType;
    const offset = caretIn(line);
    const isCaret = getSelection().isCollapsed;
    if (kind === "historyUndo" || kind === "historyRedo") {
      event.preventDefault();
      if (kind === "historyUndo") this.doc.undo();
      else this.doc.redo();
    } else if (kind === "insertParagraph" || kind === "insertLineBreak") {
      event.preventDefault();
      this.#split(place, offset);
    } else if (BACKWARD.includes(kind) && isCaret && offset === 0) {
      event.preventDefault();
      this.#join(place.index - 1);
    } else if (FORWARD.includes(kind) && isCaret && offset === sentence.text.length) {
      event.preventDefault();
      this.#join(place.index);
    } else if (kind.startsWith("format")) event.preventDefault();
    else if (kind === "insertFromPaste") {
      const pasted = event.dataTransfer?.getData("text/plain") ?? event.data;
      if (pasted === null) return;
      // A sentence is one line of plain text, whatever the browser would make of it.
      event.preventDefault();
      const isLine = !/[\r\n\t]/.test(pasted);
      const plain = isLine ? pasted : pasted.replace(/\s*[\r\n\t]+\s*/g, " ").trim();
      if (plain) document.execCommand("insertText", false, plain);
    }
  }

  #take(target) {
    const place = this.isOn && this.doc ? this.#at(target) : null;
    if (!place) return;
    const { line, sentence, index } = place;
    const text = line.textContent.replace(/[\r\n\t]/g, " ");
    const caret = caretIn(line);
    const offset = caret ?? text.length;
    const was = Math.max(0, Math.min(sentence.text.length, offset - (text.length - sentence.text.length)));
    const joins = `typed ${sentence.id}`;
    const before = { id: sentence.id, offset: was };
    const made = edited(this.doc.before(index, joins, before) ?? sentence, text);
    this.doc.change(index, 1, [made], { joins, caret: { before, after: { id: sentence.id, offset } } });
    // Drawn anew, where the browser had made several nodes of it.
    if (caret !== null && caretIn(line) !== caret) putCaret(line, caret);
  }

  #split({ sentence, index }, offset) {
    if (offset === null) return;
    const [first, second] = split(sentence, offset);
    // Nothing on one side: an empty line helps nobody.
    if (!first.text || !second.text) return;
    const caret = { before: { id: sentence.id, offset }, after: { id: second.id, offset: 0 } };
    this.doc.change(index, 1, [first, second], { caret });
    this.put(caret.after);
  }

  // The sentence at a place with the one behind it.
  #join(index) {
    const [first, second] = this.doc.sentences.slice(Math.max(0, index), index + 2);
    if (index < 0 || !second) return;
    const [made, offset] = joined(first, second);
    const caret = { before: { id: second.id, offset: 0 }, after: { id: made.id, offset } };
    this.doc.change(index, 2, [made], { caret });
    this.put(caret.after);
  }

  #key(event) {
    if (!this.isOn || !this.doc || isOfInputMethod(event)) return;
    const place = this.#at(event.target);
    if (!place) return;
    const isCommand = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (isCommand && key === "z") {
      event.preventDefault();
      if (event.shiftKey) this.doc.redo();
      else this.doc.undo();
    } else if (isCommand && key === "y") {
      event.preventDefault();
      this.doc.redo();
    } else if (!isCommand && !event.altKey && !event.shiftKey && key.startsWith("arrow")) this.#move(event, place);
  }

  // From one sentence into the next, as in any text.
  #move(event, { line, sentence, index }) {
    const offset = caretIn(line);
    const length = sentence.text.length;
    const goes = {
      ArrowLeft: offset === 0 ? -1 : 0,
      ArrowRight: offset === length ? 1 : 0,
      ArrowUp: isAtEdge(line, true) ? -1 : 0,
      ArrowDown: isAtEdge(line, false) ? 1 : 0,
    }[event.key];
    const other = goes ? this.doc.sentences[index + goes] : null;
    if (!other) return;
    event.preventDefault();
    const to = { ArrowLeft: other.text.length, ArrowRight: 0 }[event.key] ?? Math.min(offset, other.text.length);
    this.put({ id: other.id, offset: to });
  }
}
