// One sentence about what went wrong, and a button where trying again makes sense.
import { at } from "./dom.js";
import { put, putSentence } from "./language.js";
import { Refusal } from "./service.js";

// 503: full or on its way back, 504: too slow under load, 507: no room just now.
const MAY_HELP = [500, 502, 503, 504, 507];

export class Problem {
  constructor(prefix, again) {
    this.box = at(`${prefix}-problem`);
    [this.heading, this.sentence, this.button] = this.box.children;
    this.button.addEventListener("click", () => {
      this.hide();
      again();
    });
  }

  get isShown() {
    return !this.box.hidden;
  }

  hide() {
    this.box.hidden = true;
  }

  // A text of ours.
  say(key, values = {}, mayRetry = false) {
    put(this.heading, "failed");
    put(this.sentence, key, values);
    this.button.hidden = !mayRetry;
    this.box.hidden = false;
  }

  // What `send` and `ask` throw.
  tell(error) {
    if (!(error instanceof Refusal)) return this.say("lost", {}, true);
    this.say("unexpected", {}, MAY_HELP.includes(error.status));
    if (error.sentence) putSentence(this.sentence, error.sentence);
    if (error.status === 503 && error.retryAfterSeconds) {
      put(this.heading, "refused", { seconds: error.retryAfterSeconds });
    }
  }
}
