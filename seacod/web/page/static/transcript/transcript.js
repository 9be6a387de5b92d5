// A text and everything around it: it grows while it is recognised, follows the sound, is corrected in
// its place, kept in this browser, and taken away as files. One for each tab that shows texts.
import { at, memory } from "../dom.js";
import { text } from "../language.js";
import { isSelecting, caretIn, characterAt } from "./caret.js";
import { Doc } from "./document.js";
import { Editing } from "./editing.js";
import { Find } from "./find.js";
import { register } from "./keys.js";
import { busy } from "./leaving.js";
import { askName } from "./names.js";
import { disown, isMine, own } from "./owner.js";
import { plain } from "./paragraphs.js";
import { Player } from "./player.js";
import { composed, fromSegment, packed, toSegment, unpacked, wordAt, wordHeard } from "./sentences.js";
import { excerptOf, isManySteps, keep, step } from "./store.js";
import { Taking } from "./taking.js";
import { View } from "./view.js";

const SIZES = ["small", "normal", "large", "huge"];
// A click is no drag.
const STILL_PIXELS = 5;
const STARTED_MS = 600;
const SOON_MS = 60;

export class Transcript {
  // onElsewhere(): another window has it open now. onUnkept(): this browser does not keep it.
  constructor(prefix, { onElsewhere = () => {}, onUnkept = () => {} } = {}) {
    this.prefix = prefix;
    this.root = at(`${prefix}-transcript`);
    this.tools = at(`${prefix}-take`);
    this.hint = at(`${prefix}-editing-hint`);
    this.following = at(`${prefix}-follow`);
    this.onElsewhere = onElsewhere;
    this.onUnkept = onUnkept;
    this.player = new Player(prefix);
    this.view = new View(at(`${prefix}-text`), { onName: (name, button) => this.isComplete && askName(this.doc, name, button) });
    this.editing = new Editing(this.view, (isOn) => this.#edits(isOn));
    this.find = new Find(prefix, this);
    this.taking = new Taking(this.tools, this);
    this.#options(prefix);
    this.#buttons();
    this.#points();
    this.#follows();
    register(this);
    this.clear();
  }

  get isInFront() {
    return this.root.offsetParent !== null && (this.hasText || this.player.isReady);
  }

  get hasText() {
    return this.doc.sentences.length > 0;
  }

  // While it still comes, nobody corrects it.
  get isComplete() {
    return this.hasText && this.given !== null && !this.doc.isLocked;
  }

  get segments() {
    return this.doc.sentences.map(toSegment);
  }

  clear() {
    this.#forgetComing();
    this.hasGone = false;
    if (this.id) disown(this.id);
    this.id = null;
    this.tellKept(true);
    this.given = null;
    this.name = "";
    this.editing.set(false);
    if (this.find.isOpen) this.find.close();
    this.view.clear();
    this.#take(new Doc());
    this.#showTools(false);
  }

  #showTools(hasText) {
    this.tools.hidden = !hasText;
    this.player.setText(hasText);
  }

  // -- a text that comes ----------------------------------------------------------------------------

  add(segments) {
    const wasAtEnd = this.#isAtEnd();
    this.doc.append(segments.map(fromSegment));
    if (wasAtEnd) this.#scrollToEnd();
  }

  // The same, a little later: what comes at once is drawn at once.
  addSoon(segments) {
    this.coming.push(...segments);
    this.soon ??= setTimeout(() => {
      this.soon = null;
      this.add(this.coming.splice(0));
    }, SOON_MS);
  }

  #forgetComing() {
    clearTimeout(this.soon);
    this.soon = null;
    this.coming = [];
  }

  show(partial) {
    const wasAtEnd = this.#isAtEnd();
    this.view.showPartial(partial);
    if (wasAtEnd && partial) this.#scrollToEnd();
  }

  // The whole answer of the service, instead of what has come so far.
  finish(body, name) {
    // Who has gone back to a place and reads there stays there.
    this.hasGone &&= this.#isAtEnd();
    this.#forgetComing();
    // What stands there already need not be drawn again.
    const drawn = this.doc.sentences;
    const sentences = body.segments.map((segment, i) => {
      const made = fromSegment(segment);
      const same = drawn[i];
      return same?.text === made.text && same.start === made.start ? { ...made, id: same.id } : made;
    });
    this.#set(body, sentences, name);
  }

  // Where the window went along with the text that came.
  toBeginning() {
    if (this.hasGone) this.root.scrollIntoView({ block: "start" });
    this.hasGone = false;
  }

  // One that this browser has kept.
  open(kept) {
    this.clear();
    this.#set(kept.body, kept.sentences.map(unpacked), kept.recording.name);
    const { id, ...about } = kept.recording;
    this.keepAs(id, about);
  }

  // From now on every correction is kept under this id. about: what its entry in the list says.
  keepAs(id, about) {
    this.id = id;
    this.about = about;
    own(id, () => {
      this.editing.set(false);
      this.doc.isLocked = true;
      this.#undoable();
      this.onElsewhere();
    });
  }

  // What is to be kept of it.
  kept() {
    const { segments, ...body } = this.given ?? {};
    const sentences = this.doc.sentences.map(packed);
    return { body, sentences, excerpt: excerptOf(sentences) };
  }

  #set(body, sentences, name) {
    const { also, peaks, ...rest } = body;
    this.given = rest;
    this.name = name;
    this.#take(new Doc(sentences));
    this.view.show(sentences);
    this.view.markDoubt();
    this.#showTools(sentences.length > 0);
    this.find.changed();
  }

  #take(doc) {
    this.doc = this.editing.doc = doc;
    this.#undoable();
    doc.onChange((change) => {
      if (doc !== this.doc) return;
      this.view.show(doc.sentences);
      this.editing.put(change.caret);
      this.find.changed();
      this.#undoable();
      if (!change.isGiven) this.#keepStep(change);
    });
  }

  async #keepStep({ at: place, removed, inserted }) {
    const { id } = this;
    if (!id || !isMine(id)) return;
    // After one that was not kept the next ones would not fit.
    const many = this.isUnkept ? null : await step(id, { at: place, removed, inserted: inserted.map(packed) });
    if ((many !== null && !isManySteps(many)) || id !== this.id) return;
    const { excerpt, ...whole } = this.kept();
    const isKept = await keep({ ...this.about, id, excerpt }, whole);
    if (id === this.id) this.tellKept(isKept);
  }

  // Whether all of it is in this browser. If not, the page is not left without being asked.
  tellKept(isKept) {
    if (!isKept && !this.isUnkept) this.onUnkept();
    this.isUnkept = !isKept;
    busy(`unkept ${this.prefix}`, !isKept);
  }

  // Whether another text may take its place: whoever would lose it is asked.
  mayGo() {
    return !this.hasText || !this.isUnkept || confirm(text("tr_not_kept_sure"));
  }

  // -- what is taken away ---------------------------------------------------------------------------

  // As the service answers, with every correction.
  body() {
    const shown = this.doc.sentences.filter((one) => one.text.trim());
    const isByTrack = (this.given.speakers ?? []).some(({ name }) => this.given.text?.startsWith(`${name}:\n`));
    // A sentence that was emptied is a correction, too.
    if (this.doc.sentences.every((one) => one.given)) {
      return { text: composed(shown, isByTrack), ...this.given, segments: shown.map(toSegment) };
    }
    const seconds = new Map();
    for (const { speaker, start, end } of shown) {
      if (speaker !== null) seconds.set(speaker, (seconds.get(speaker) ?? 0) + end - start);
    }
    return {
      ...this.given,
      text: composed(shown, isByTrack),
      segments: shown.map(toSegment),
      speakers: [...seconds].map(([name, value]) => ({ name, seconds: Math.round(1000 * value) / 1000 })),
    };
  }

  text() {
    return plain(this.doc.sentences);
  }

  // -- sound ----------------------------------------------------------------------------------------

  // Where the caret is while somebody edits.
  playHere() {
    if (this.player.isPlaying) {
      this.player.pause();
      return;
    }
    const word = this.#wordAtCaret();
    if (word) this.player.playFrom(word.start);
    else this.player.play();
  }

  // So many sentences on.
  goSentence(count) {
    const present = this.view.sentenceAt(this.player.now);
    const index = present ? this.doc.sentences.indexOf(present) : -1;
    const sentence = this.doc.sentences[Math.min(Math.max(0, index + count), this.doc.sentences.length - 1)];
    if (!sentence) return;
    this.isFollowing = true;
    this.player.seek(sentence.start);
    if (!this.player.isReady) this.view.follow(sentence.start);
    this.reveal(this.view.line(sentence.id));
  }

  // The sentence that is heard, with the caret at its word.
  editHere() {
    if (!this.isComplete) return;
    const sentence = this.view.sentenceAt(this.player.now) ?? this.doc.sentences[0];
    if (!sentence) return;
    this.editing.set(true);
    this.editing.put({ id: sentence.id, offset: wordHeard(sentence, this.player.now)?.from ?? 0 });
  }

  reveal(line) {
    if (!line) return;
    const box = line.getBoundingClientRect();
    const bottom = this.#bottom();
    if (box.top >= 70 && box.bottom <= bottom - 24) return;
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    line.scrollIntoView({ block: "center", behavior: isCalm || Math.abs(box.top) > 3 * innerHeight ? "auto" : "smooth" });
  }

  #bottom() {
    const { box } = this.player;
    return box.hidden ? innerHeight : Math.min(innerHeight, box.getBoundingClientRect().top);
  }

  #wordAtCaret() {
    const line = document.activeElement?.closest?.("p[data-id]");
    const sentence = line && this.view.sentenceOf(line);
    const offset = sentence ? caretIn(line) : null;
    return offset === null ? null : wordAt(sentence, Math.max(0, offset - 1));
  }

  #follows() {
    this.isFollowing = true;
    const rest = () => {
      if (!this.player.isPlaying || !this.isFollowing) return;
      this.isFollowing = false;
      this.#showFollowing();
    };
    // Only what a reader does counts, not what scrolls by itself.
    for (const kind of ["wheel", "touchmove"]) {
      addEventListener(kind, (event) => !this.player.box.contains(event.target) && rest(), { passive: true });
    }
    addEventListener("keydown", (event) => ["PageUp", "PageDown", "Home", "End"].includes(event.key) && rest());
    addEventListener("pointerdown", (event) => event.target === document.documentElement && rest());
    this.following.addEventListener("click", () => {
      this.isFollowing = true;
      this.#showFollowing();
      this.reveal(this.view.now);
    });
    this.player.audio.addEventListener("play", () => this.#showFollowing());
    this.player.audio.addEventListener("pause", () => this.#showFollowing());
    let latest = null;
    this.player.onTime((now) => {
      const line = this.view.follow(now);
      if (line !== latest && this.isFollowing && this.player.isPlaying && !isSelecting()) this.reveal(line);
      latest = line;
    });
  }

  #showFollowing() {
    this.following.hidden = this.isFollowing || !this.player.isPlaying;
    if (!this.player.isPlaying) this.isFollowing = true;
  }

  #points() {
    const { box } = this.view;
    let [down, started] = [null, -Infinity];
    box.addEventListener("pointerdown", (event) => (down = { x: event.clientX, y: event.clientY }));
    const there = (event) => {
      const found = event.target.closest?.("p[data-id]") && characterAt(event.clientX, event.clientY);
      const sentence = found && this.view.sentenceOf(found.node);
      return sentence ? { sentence, found, word: wordAt(sentence, found.at) } : null;
    };
    box.addEventListener("click", (event) => {
      const isDrag = down && Math.hypot(event.clientX - down.x, event.clientY - down.y) > STILL_PIXELS;
      if (event.button || event.detail > 1 || isDrag || isSelecting()) return;
      const place = there(event);
      if (!place?.word) return;
      if (this.editing.isOn) {
        // The sound waits at the word; what plays goes on.
        if (!this.player.isPlaying) this.player.seek(place.word.start);
        return;
      }
      if (!this.player.isPlaying) started = performance.now();
      this.isFollowing = true;
      this.#showFollowing();
      this.player.playFrom(place.word.start);
    });
    box.addEventListener("dblclick", (event) => {
      const place = there(event);
      if (!place || this.editing.isOn || !this.isComplete) return;
      // The first of the two clicks has started it.
      if (performance.now() - started < STARTED_MS) this.player.pause();
      const { from, to } = place.word ?? { from: place.found.at, to: place.found.at };
      this.editing.set(true);
      const line = this.view.line(place.sentence.id);
      line.focus({ preventScroll: true });
      getSelection().setBaseAndExtent(line.firstChild, from, line.firstChild, to);
      this.reveal(line);
    });
  }

  // -- buttons --------------------------------------------------------------------------------------

  #buttons() {
    const on = (does, act) => this.tools.querySelector(`[data-do=${does}]`).addEventListener("click", act);
    on("edit", () => (this.editing.isOn ? this.editing.set(false) : this.editHere()));
    on("undo", () => this.doc.undo());
    on("redo", () => this.doc.redo());
    on("find", () => (this.find.isOpen ? this.find.close() : this.find.open()));
    on("keys", () => at("sc-keys").showModal());
    // Not the focus out of the sentence that is edited.
    for (const does of ["undo", "redo"]) {
      this.tools.querySelector(`[data-do=${does}]`).addEventListener("mousedown", (event) => event.preventDefault());
    }
    const menus = this.tools.querySelectorAll("details");
    document.addEventListener("click", (event) => {
      for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
    });
    for (const menu of menus) {
      menu.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || !menu.open) return;
        event.stopPropagation();
        menu.open = false;
        menu.querySelector("summary").focus();
      });
    }
  }

  #edits(isOn) {
    const button = this.tools.querySelector("[data-do=edit]");
    button.setAttribute("aria-pressed", String(isOn));
    this.hint.hidden = !isOn;
  }

  #undoable() {
    this.tools.querySelector("[data-do=undo]").disabled = !this.doc.canUndo;
    this.tools.querySelector("[data-do=redo]").disabled = !this.doc.canRedo;
  }

  // How it is shown; remembered for all texts.
  #options(prefix) {
    const { box } = this.view;
    const size = memory.get("size", "normal");
    const show = (chosen) => SIZES.forEach((one) => box.classList.toggle(`sc-size-${one}`, one === chosen));
    for (const choice of this.tools.querySelectorAll(`[name=${prefix}-size]`)) {
      choice.checked = choice.value === size;
      choice.addEventListener("change", () => {
        memory.set("size", choice.value);
        show(choice.value);
      });
    }
    show(size);
    for (const [key, style] of [["paragraphs", "sc-paragraphs"], ["times", "sc-times"], ["shade", "sc-shaded"]]) {
      const choice = at(`${prefix}-${key}`);
      choice.checked = memory.get(key, true);
      const apply = () => box.classList.toggle(style, choice.checked);
      choice.addEventListener("change", () => {
        memory.set(key, choice.checked);
        apply();
      });
      apply();
    }
  }

  // -- reading along --------------------------------------------------------------------------------

  #isAtEnd() {
    const end = this.view.box.getBoundingClientRect().bottom;
    return this.hasText && end <= this.#bottom() + 40 && end > 0;
  }

  #scrollToEnd() {
    const below = this.view.box.getBoundingClientRect().bottom - this.#bottom() + 24;
    if (below <= 0) return;
    this.hasGone = true;
    scrollBy(0, below);
  }
}
