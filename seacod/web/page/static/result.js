// A text sentence by sentence: as it comes, shaded by confidence, each a place in the recording.
import { at, copy, el, memory } from "./dom.js";
import { clock, onSwitch, put, text } from "./language.js";
import { written } from "./service.js";
import { nameButton, renamedBody } from "./speakers.js";

// The decoder's own probability of a word; uncalibrated, so there are three shades, not a scale.
const SURE = 0.9;
const UNSURE = 0.6;
const BACK_MS = 2500;
const MARKS = /[\s，。？！、；：,.?!;:“”"'（）()《》…—-]/;
const { formats } = window.seacodSetup;

// What the service is asked for besides the JSON that is shown here.
export const ALSO = formats
  .filter((one) => !one.isJson && !one.isBinary).map((one) => one.name).join(",");

const shade = (confidence) =>
  confidence === null || confidence >= SURE ? "" : confidence >= UNSURE ? "sc-doubt" : "sc-unsure";

const percent = (confidence) => `${Math.round(100 * confidence)} %`;

export class Result {
  // onSeek(seconds): somebody chose a sentence; without it they are only text.
  constructor(prefix, onSeek = null) {
    this.box = at(`${prefix}-text`);
    this.actions = at(`${prefix}-take`);
    this.onSeek = onSeek;
    this.links = [];
    const shading = at(`${prefix}-shade`);
    shading.checked = memory.get("shade", true);
    const apply = () => this.box.classList.toggle("sc-shaded", shading.checked);
    shading.addEventListener("change", () => {
      memory.set("shade", shading.checked);
      apply();
    });
    apply();
    this.actions.querySelector("[data-do=copy]").addEventListener("click", async () => {
      await copy(this.text());
      const done = this.actions.querySelector("[data-done]");
      put(done, "copied");
      setTimeout(() => put(done, null), BACK_MS);
    });
    for (const { name: format } of formats.filter((one) => one.isBinary)) {
      const link = this.actions.querySelector(`[data-do=${format}]`);
      link.href = "#";
      link.addEventListener("click", (event) => {
        // With the file in hand it is followed like any other.
        if (!link.href.startsWith("blob:")) {
          event.preventDefault();
          this.#fetch(link, format);
        }
      });
    }
    this.box.addEventListener("click", (event) => this.#seek(event.target));
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        if (this.#seek(event.target)) event.preventDefault();
      }
    });
    onSwitch(() => this.#title());
    this.clear();
  }

  clear() {
    this.segments = [];
    this.speaker = null;
    this.box.replaceChildren();
    this.partial = null;
    this.actions.hidden = true;
    for (const link of this.links) URL.revokeObjectURL(link);
    this.links = [];
  }

  add(segments) {
    this.segments.push(...segments);
    for (const segment of segments) {
      if (segment.speaker && segment.speaker !== this.speaker) {
        this.box.insertBefore(this.#turn(segment.speaker), this.partial);
      }
      this.speaker = segment.speaker;
      this.box.insertBefore(this.#sentence(segment), this.partial);
    }
    this.box.scrollTop = this.box.scrollHeight;
  }

  // What is being said: it may still change.
  show(partial) {
    if (!partial) {
      this.partial?.remove();
      this.partial = null;
      return;
    }
    if (!this.partial) {
      this.partial = el("p", { class: "sc-partial" });
      this.box.append(this.partial);
    }
    this.partial.textContent = partial;
    this.box.scrollTop = this.box.scrollHeight;
  }

  // The whole answer of the service: `segments`, `text`, `also`.
  finish(body, name) {
    this.clear();
    this.body = body;
    this.name = name;
    this.add(body.segments);
    this.box.scrollTop = 0;
    this.offer(name, { ...body.also, json: JSON.stringify(body, null, 1) });
  }

  offer(name, files) {
    const stem = name.replace(/\.[^.]*$/, "") || "seacod";
    for (const { name: format, ending, type, isBinary } of formats) {
      const link = this.actions.querySelector(`[data-do=${format}]`);
      if (isBinary) {
        link.download = `${stem}${ending}`;
        continue;
      }
      if (files[format] === undefined) continue;
      const url = URL.createObjectURL(new Blob([files[format]], { type }));
      this.links.push(url);
      link.href = url;
      link.download = `${stem}${ending}`;
    }
    this.actions.hidden = !this.segments.length;
  }

  // What is no text is written by the service, as the text is shown now.
  async #fetch(link, format) {
    let content;
    try {
      content = await written(format, this.body);
    } catch {
      const done = this.actions.querySelector("[data-done]");
      put(done, "lost");
      setTimeout(() => put(done, null), BACK_MS);
      return;
    }
    const url = URL.createObjectURL(content);
    link.href = url;
    link.click();
    link.href = "#";
    setTimeout(() => URL.revokeObjectURL(url), BACK_MS);
  }

  text() {
    return this.segments
      .map((segment) => (segment.speaker ? `${segment.speaker}: ${segment.text}` : segment.text))
      .join("\n");
  }

  // Mark the sentence that is heard now.
  follow(seconds) {
    for (const sentence of this.box.children) {
      const isNow = seconds >= Number(sentence.dataset.start) && seconds < Number(sentence.dataset.end);
      sentence.classList.toggle("sc-now", isNow);
    }
  }

  // Above what somebody says: the name, which a reader may change everywhere.
  #turn(speaker) {
    const rename = (name) => {
      const top = this.box.scrollTop;
      this.finish(renamedBody(this.body, { [speaker]: name }), this.name);
      this.box.scrollTop = top;
    };
    return el("p", { class: "sc-turn" }, this.body ? nameButton(speaker, rename) : speaker);
  }

  #seek(target) {
    const sentence = target.closest("p[data-start]");
    if (!sentence || !this.onSeek) return false;
    this.onSeek(Number(sentence.dataset.start));
    return true;
  }

  #sentence(segment) {
    const sentence = el("p", {
      "data-start": String(segment.start),
      "data-end": String(segment.end),
      "data-time": clock(segment.start),
    });
    if (segment.confidence !== null) sentence.dataset.confidence = String(segment.confidence);
    if (this.onSeek) {
      sentence.tabIndex = 0;
      sentence.setAttribute("role", "button");
    }
    sentence.append(...shaded(segment));
    this.#title(sentence);
    return sentence;
  }

  #title(only = null) {
    for (const sentence of only ? [only] : this.box.querySelectorAll("p[data-confidence]")) {
      if (sentence.dataset.confidence === undefined) continue;
      const value = percent(Number(sentence.dataset.confidence));
      sentence.title = `${text("confidence")} ${value}`;
    }
  }
}

// The words of a sentence, each in its shade. Punctuation and written numbers are not the model's
// words; where those do not fit the text, the sentence has one shade.
function shaded(segment) {
  const parts = [];
  let at = 0;
  for (const token of segment.tokens ?? []) {
    let from = at;
    while (from < segment.text.length && !segment.text.startsWith(token.text, from)) {
      if (!MARKS.test(segment.text[from])) return [whole(segment)];
      from += 1;
    }
    if (from >= segment.text.length) return [whole(segment)];
    if (from > at) parts.push(segment.text.slice(at, from));
    parts.push(word(token.text, token.confidence));
    at = from + token.text.length;
  }
  if (!parts.length) return [whole(segment)];
  parts.push(segment.text.slice(at));
  return parts;
}

function word(shown, confidence) {
  const box = el("span", {}, shown);
  const kind = shade(confidence);
  if (kind) box.className = kind;
  if (confidence !== null) box.title = percent(confidence);
  return box;
}

const whole = (segment) => word(segment.text, segment.confidence);

