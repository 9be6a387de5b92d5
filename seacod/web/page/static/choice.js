// The files of a batch before it is sent: more can be added, each can be taken out, and what is too big
// or too long is said at once.
import { at, el } from "./dom.js";
import { isMeant } from "./folders.js";
import { clock, inWords, onSwitch, put, size, text } from "./language.js";
import { lengthOf } from "./length.js";
import { limits, longest } from "./service.js";

const MEASURED_AT_ONCE = 3;
const MOST_SHOWN = 200;
const same = (a, b) => a.name === b.name && a.size === b.size && a.lastModified === b.lastModified;

export class Choice {
  constructor(problem) {
    this.problem = problem;
    this.entries = [];
    this.measuring = Promise.resolve();
    this.box = at("sc-batch-choice");
    this.rows = this.box.querySelector("ul");
    at("sc-batch-none").addEventListener("click", () => this.clear());
    onSwitch(() => this.#draw());
  }

  get files() {
    return this.entries.map((one) => one.file);
  }

  // The files that may be sent, once all of them are looked at.
  async ready() {
    await this.measuring;
    return this.files;
  }

  add(files) {
    const fresh = files.filter(isMeant)
      .filter((file) => !this.entries.some((one) => same(one.file, file)))
      .map((file) => ({ file, length: undefined }));
    this.problem.hide();
    this.entries.push(...fresh);
    this.#draw();
    this.measuring = this.measuring.then(() => this.#measure(fresh));
  }

  clear() {
    this.entries = [];
    this.#draw();
  }

  // What was added meanwhile is still to be sent.
  sent(files) {
    this.entries = this.entries.filter((one) => !files.includes(one.file));
    this.#draw();
  }

  #take(entry) {
    this.entries = this.entries.filter((one) => one !== entry);
    this.#draw();
  }

  async #measure(fresh) {
    const known = await limits().catch(() => null);
    if (!known) return;
    const waiting = [...fresh];
    const next = async () => {
      for (let entry = waiting.shift(); entry; entry = waiting.shift()) {
        if (!this.entries.includes(entry)) continue;
        await this.#look(entry, known);
      }
    };
    await Promise.all(Array.from({ length: MEASURED_AT_ONCE }, next));
    this.#draw();
  }

  async #look(entry, known) {
    const { file } = entry;
    if (file.size > known.max_upload_bytes) {
      this.#take(entry);
      this.problem.say("file_too_big_named", {
        name: file.name, size: size(file.size), limit: size(known.max_upload_bytes),
      });
      return;
    }
    entry.length = /\.zip$/i.test(file.name) ? null : await lengthOf(file);
    if (entry.length !== null && entry.length > longest(known)) {
      this.#take(entry);
      this.problem.say("tr_too_long_named", {
        name: file.name, length: clock(entry.length), limit: () => inWords(longest(known)),
      });
    }
  }

  #draw() {
    const { entries } = this;
    this.box.hidden = !entries.length;
    const total = entries.reduce((sum, { file }) => sum + file.size, 0);
    put(at("sc-batch-chosen"), entries.length ? "batch_chosen" : null, { count: entries.length, size: size(total) });
    this.rows.replaceChildren(...entries.slice(0, MOST_SHOWN).map((entry) => {
      const { file, length } = entry;
      const away = el("button", { type: "button", class: "sc-small" }, "×");
      away.setAttribute("aria-label", text("tr_take_out", { name: file.name }));
      away.title = text("tr_take_out", { name: file.name });
      away.addEventListener("click", () => this.#take(entry));
      const facts = [length ? clock(length) : "", size(file.size)].filter(Boolean).join(" · ");
      return el("li", {}, el("span", {}, file.name), el("span", { class: "sc-hint" }, facts), away);
    }));
  }
}
