// One sentence about what went wrong, and a button where trying again makes sense. Where the service
// says when, the page counts down and tries again by itself, unless somebody is quicker.
import { at } from "./dom.js";
import { put, putSentence } from "./language.js";
import { comeIntoView } from "./view.js";
import { Refusal } from "./service.js";

// 503: full or on its way back, 504: too slow under load, 507: no room just now.
const MAY_HELP = [500, 502, 503, 504, 507];
// Nobody waits longer than this by themselves; and what comes and goes sooner is not read.
const LONGEST_WAIT_SECONDS = 600;
const SHORTEST_WAIT_SECONDS = 5;

// The page counts down, so the sentence need not say when.
const withoutWait = ({ en, zh }) => ({
  en: en.replace(/[;,] try again in \d+ s\.?$/, ""),
  zh: zh.replace(/[；，]请在 \d+ 秒后重试。?$/, ""),
});

export class Problem {
  #counting = null;

  constructor(prefix, again) {
    this.box = at(`${prefix}-problem`);
    this.heading = this.box.querySelector("strong");
    this.sentence = this.box.querySelector("p");
    this.button = this.box.querySelector("[data-do=again]");
    this.left = this.box.querySelector("[data-left]");
    this.stay = this.box.querySelector("[data-do=stay]");
    this.again = again;
    this.button.addEventListener("click", () => this.#retry());
    this.stay.addEventListener("click", () => this.#stop());
  }

  get isShown() {
    return !this.box.hidden;
  }

  hide() {
    this.#stop();
    this.box.hidden = true;
  }

  // A text of ours. What somebody has not done yet is no failure.
  say(key, values = {}, mayRetry = false) {
    this.#show(key === "no_recording" ? null : "failed", mayRetry);
    put(this.sentence, key, values);
  }

  // What `send` and `ask` throw. mayRetry: whether the same again is what one would do next.
  tell(error, { mayRetry = true } = {}) {
    if (!(error instanceof Refusal)) return this.say("lost", {}, mayRetry);
    this.#show("failed", mayRetry && MAY_HELP.includes(error.status));
    put(this.sentence, "unexpected");
    const wait = error.retryAfterSeconds;
    const isCounted = mayRetry && error.status === 503 && wait && wait <= LONGEST_WAIT_SECONDS;
    if (error.sentence) putSentence(this.sentence, isCounted ? withoutWait(error.sentence) : error.sentence);
    if (isCounted) this.#countDown(wait);
  }

  #show(heading, mayRetry) {
    this.#stop();
    put(this.heading, heading);
    this.heading.hidden = !heading;
    put(this.button, "retry");
    this.button.hidden = !mayRetry;
    this.box.hidden = false;
    comeIntoView(this.box);
  }

  #countDown(seconds) {
    put(this.heading, "busy");
    const end = performance.now() + 1000 * Math.max(seconds, SHORTEST_WAIT_SECONDS);
    const tick = () => {
      const left = Math.ceil((end - performance.now()) / 1000);
      if (left <= 0) return this.#retry();
      // No live region: it is not read out every second.
      put(this.left, "retry_in", { seconds: left });
    };
    put(this.button, "retry_now");
    this.stay.hidden = this.left.hidden = false;
    tick();
    this.#counting = setInterval(tick, 250);
  }

  #stop() {
    clearInterval(this.#counting);
    if (this.#counting !== null) put(this.button, "retry");
    this.#counting = null;
    this.stay.hidden = this.left.hidden = true;
  }

  #retry() {
    this.hide();
    this.again();
  }
}
