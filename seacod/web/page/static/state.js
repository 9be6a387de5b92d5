// A line that says what goes on, with a bar.
import { at, showBar } from "./dom.js";
import { clock, put } from "./language.js";
import { speak } from "./spoken.js";
import { comeIntoView } from "./view.js";

const UNKNOWN = "—";

export class State {
  constructor(prefix) {
    this.box = at(`${prefix}-state`);
    this.line = this.box.querySelector("span");
    this.bar = this.box.querySelector(".sc-bar");
  }

  // share: 0 to 1, or null for "it moves, nobody knows how far".
  say(key, values = {}, share = null) {
    if (this.box.hidden) comeIntoView(this.box);
    this.box.hidden = false;
    const shown = known(key, values);
    put(this.line, shown, values);
    // Each step once; what it goes through is seen.
    const step = shown.replace(/_left$/, "");
    if (step !== this.spoken) speak(shown, values);
    this.spoken = step;
    showBar(this.bar, share);
  }

  hide() {
    this.box.hidden = true;
    this.spoken = null;
  }
}

// The text that says nothing of what nobody knows yet: how much there is, how long it takes.
function known(key, { total, left }) {
  if (total === 0) return "state_begins";
  return left === UNKNOWN ? key.replace(/_left$/, "") : key;
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
    return seconds === null ? UNKNOWN : clock(Math.ceil(seconds));
  }
}
