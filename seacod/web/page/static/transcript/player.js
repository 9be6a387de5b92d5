// The player at the bottom: sound, wave, speed. It plays what is in the browser, a recording somebody
// chose or made; formats that only the service knows are not heard here.
import { at, memory } from "../dom.js";
import { clock, onSwitch, text } from "../language.js";
import { Wave } from "./wave.js";

export const STEP_SECONDS = 5;
const PAGE_SECONDS = 30;
// A seek far beyond the end: recordings from a microphone do not say how long they are.
const BEYOND_SECONDS = 1e7;

export class Player {
  #listeners = [];

  constructor(prefix) {
    this.box = at(`${prefix}-player`);
    this.button = at(`${prefix}-play`);
    this.clock = at(`${prefix}-clock`);
    this.slider = at(`${prefix}-wave`);
    this.speeds = this.box.querySelector("[data-do=speed]");
    this.wave = new Wave(this.slider.querySelector("canvas"));
    this.audio = new Audio();
    this.audio.preload = "auto";
    this.seconds = 0;
    this.button.addEventListener("click", () => this.toggle());
    this.box.querySelector("[data-do=back]").addEventListener("click", () => this.skip(-STEP_SECONDS));
    this.box.querySelector("[data-do=forward]").addEventListener("click", () => this.skip(STEP_SECONDS));
    this.speeds.value = String(memory.get("speed", 1));
    if (this.speeds.selectedIndex < 0) this.speeds.value = "1";
    this.speeds.addEventListener("change", () => this.#setSpeed());
    this.#slide();
    const { audio } = this;
    audio.addEventListener("play", () => this.#shown());
    audio.addEventListener("pause", () => this.#shown());
    audio.addEventListener("seeked", () => this.#tick());
    audio.addEventListener("loadedmetadata", () => this.#known());
    audio.addEventListener("durationchange", () => this.#known());
    audio.addEventListener("error", () => this.#failed());
    onSwitch(() => this.#told());
  }

  // act(seconds): where it is heard now.
  onTime(act) {
    this.#listeners.push(act);
  }

  get now() {
    return this.audio.currentTime || 0;
  }

  get isPlaying() {
    return this.isReady && !this.audio.paused;
  }

  // seconds: how long it is, where that is known; peaks: of the wave, or null.
  show(sound, { name = "", seconds = null, peaks = null } = {}) {
    this.clear();
    this.url = URL.createObjectURL(sound);
    this.seconds = seconds ?? 0;
    this.audio.src = this.url;
    this.#setSpeed();
    this.box.querySelector("[data-name]").textContent = name;
    this.wave.show(peaks);
    this.box.hidden = false;
    this.#told();
  }

  // Without sound there is nothing to play, and still where each sentence lies.
  setPeaks(peaks) {
    if (this.url) this.wave.show(peaks);
  }

  setSeconds(seconds) {
    if (!this.url || !seconds) return;
    this.seconds = seconds;
    this.#told();
  }

  clear() {
    cancelAnimationFrame(this.frame);
    this.isReady = this.isMeasuring = false;
    this.audio.removeAttribute("src");
    this.audio.load();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    this.seconds = 0;
    this.button.disabled = true;
    this.isMute = false;
    this.#tellMute();
    this.box.hidden = true;
    this.#shown();
  }

  toggle() {
    if (!this.isReady) return;
    if (this.audio.paused) this.play();
    else this.audio.pause();
  }

  play() {
    // Refused where nobody has touched the page yet; the button is there.
    this.audio.play().catch(() => {});
  }

  pause() {
    this.audio.pause();
  }

  seek(seconds) {
    if (!this.isReady) return;
    this.audio.currentTime = Math.min(Math.max(0, seconds), this.seconds || Infinity);
    this.#tick();
  }

  playFrom(seconds) {
    if (!this.isReady) return;
    this.seek(seconds);
    this.play();
  }

  skip(seconds) {
    this.seek(this.now + seconds);
  }

  // One step faster or slower.
  changeSpeed(step) {
    const wanted = Math.min(Math.max(0, this.speeds.selectedIndex + step), this.speeds.length - 1);
    this.speeds.selectedIndex = wanted;
    this.#setSpeed();
  }

  #setSpeed() {
    const speed = Number(this.speeds.value);
    // A fresh source begins with the default.
    this.audio.defaultPlaybackRate = speed;
    this.audio.playbackRate = speed;
    memory.set("speed", speed);
  }

  #known() {
    const { duration } = this.audio;
    if (Number.isFinite(duration)) {
      if (this.isMeasuring) this.audio.currentTime = 0;
      this.isMeasuring = false;
      this.seconds = duration;
      this.isReady = true;
      this.button.disabled = false;
      this.#told();
    } else if (duration === Infinity && !this.isMeasuring) {
      this.isMeasuring = true;
      this.audio.currentTime = BEYOND_SECONDS;
    }
  }

  #failed() {
    if (!this.url) return;
    this.isReady = false;
    this.button.disabled = true;
    this.isMute = true;
    this.#tellMute();
  }

  // Whether there is a text of it. Without one, that it cannot be played says nothing yet: the service
  // knows more formats than browsers do, and says itself what is no recording.
  setText(hasText) {
    this.hasText = hasText;
    this.#tellMute();
  }

  #tellMute() {
    this.box.querySelector("[data-mute]").hidden = !(this.isMute && this.hasText);
  }

  #shown() {
    this.button.classList.toggle("sc-playing", this.isPlaying);
    cancelAnimationFrame(this.frame);
    if (this.isPlaying) {
      const step = () => {
        this.#tick();
        this.frame = requestAnimationFrame(step);
      };
      this.frame = requestAnimationFrame(step);
    } else this.#told();
  }

  #tick() {
    if (this.isMeasuring) return;
    this.#told();
    for (const act of this.#listeners) act(this.now);
  }

  #told() {
    const [now, whole] = [Math.floor(this.now), Math.round(this.seconds)];
    this.wave.at(this.seconds ? this.now / this.seconds : 0);
    const mark = `${now} ${whole} ${document.documentElement.lang}`;
    if (mark === this.mark) return;
    this.mark = mark;
    this.clock.textContent = clock(now);
    this.box.querySelector("[data-total]").textContent = clock(whole);
    this.slider.setAttribute("aria-valuemax", String(whole));
    this.slider.setAttribute("aria-valuenow", String(now));
    this.slider.setAttribute("aria-valuetext", text("tr_position_of", { now: clock(now), whole: clock(whole) }));
  }

  #slide() {
    const { slider } = this;
    const there = (event) => {
      const box = slider.getBoundingClientRect();
      this.seek((this.seconds * (event.clientX - box.left)) / box.width);
    };
    slider.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      slider.setPointerCapture(event.pointerId);
      there(event);
    });
    slider.addEventListener("pointermove", (event) => {
      if (slider.hasPointerCapture(event.pointerId)) there(event);
    });
    slider.addEventListener("keydown", (event) => {
      const steps = {
        ArrowLeft: -STEP_SECONDS, ArrowDown: -STEP_SECONDS, ArrowRight: STEP_SECONDS, ArrowUp: STEP_SECONDS,
        PageDown: -PAGE_SECONDS, PageUp: PAGE_SECONDS, Home: -Infinity, End: Infinity,
      };
      if (!(event.key in steps)) return;
      event.preventDefault();
      event.stopPropagation();
      const to = this.now + steps[event.key];
      this.seek(to === Infinity ? this.seconds : Math.max(0, to));
    });
  }
}
