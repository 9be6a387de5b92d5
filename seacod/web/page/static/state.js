// A line that says what goes on, with a bar.
import { at, showBar } from "./dom.js";
import { clock, put } from "./language.js";

export class State {
  constructor(prefix) {
    this.box = at(`${prefix}-state`);
    this.line = this.box.querySelector("span");
    this.bar = this.box.querySelector(".sc-bar");
  }

  // share: 0 to 1, or null for "it moves, nobody knows how far".
  say(key, values = {}, share = null) {
    this.box.hidden = false;
    put(this.line, key, values);
    showBar(this.bar, share);
  }

  hide() {
    this.box.hidden = true;
  }
}

// Time left of something that goes on evenly: told where it is, now and then.
export class TimeLeft {
  #began = null;

  at(share) {
    const now = performance.now();
    if (this.#began === null || share < this.#began.share) this.#began = { now, share };
    const gone = share - this.#began.share;
    if (gone <= 0.02) return null;
    return ((now - this.#began.now) / 1000 / gone) * (1 - share);
  }

  // For a text: "1:20", or a dash while nobody knows.
  in(share) {
    const seconds = this.at(share);
    return seconds === null ? "—" : clock(Math.ceil(seconds));
  }
}
