// The chosen recording: how long it is, its waveform, playing it. All in the browser, before and
// without any upload.
import { at } from "./dom.js";
import { clock } from "./language.js";

// Decoding more than this in the browser would take its memory; there is a plain line then.
const DRAWN_BYTES = 64 * 2 ** 20;
const DRAWN_SECONDS = 2 * 3600;
const METADATA_MS = 8000;
// A seek far beyond the end: recordings from a microphone do not say how long they are.
const BEYOND_SECONDS = 1e7;

// Seconds, or null where the browser does not know the format.
export function lengthOf(file) {
  return new Promise((resolve) => {
    const media = new Audio();
    const url = URL.createObjectURL(file);
    const finish = (seconds) => {
      clearTimeout(timer);
      media.removeAttribute("src");
      URL.revokeObjectURL(url);
      resolve(Number.isFinite(seconds) ? seconds : null);
    };
    const timer = setTimeout(() => finish(null), METADATA_MS);
    media.preload = "metadata";
    media.onerror = () => finish(null);
    media.onloadedmetadata = () => {
      if (Number.isFinite(media.duration)) return finish(media.duration);
      media.ondurationchange = () => Number.isFinite(media.duration) && finish(media.duration);
      media.currentTime = BEYOND_SECONDS;
    };
    media.src = url;
  });
}

export class Player {
  // onTime(seconds): where it plays.
  constructor(onTime) {
    this.onTime = onTime;
    this.wave = null;
    at("sc-play").addEventListener("click", () => this.wave?.playPause());
  }

  async show(file, seconds) {
    this.clear();
    const turn = (this.turn = {});
    // The library comes when the first recording does, not with the page.
    const { default: WaveSurfer } = await import("./vendor/wavesurfer.js");
    if (turn !== this.turn) return;
    const style = getComputedStyle(at("sc-wave"));
    const isSmall = file.size <= DRAWN_BYTES && (seconds ?? 0) <= DRAWN_SECONDS;
    this.url = URL.createObjectURL(file);
    this.wave = WaveSurfer.create({
      container: "#sc-wave",
      url: this.url,
      height: 56,
      barWidth: 2,
      barGap: 1,
      barRadius: 1,
      normalize: true,
      sampleRate: 8000,
      waveColor: style.getPropertyValue("--sc-wave") || "#94a3b8",
      progressColor: style.getPropertyValue("--sc-wave-done") || "#0d9488",
      ...(isSmall || seconds === null ? {} : { peaks: [[0, 0]], duration: seconds }),
    });
    const button = at("sc-play");
    this.wave.on("ready", () => (button.disabled = false));
    this.wave.on("play", () => (button.textContent = "❚❚"));
    this.wave.on("pause", () => (button.textContent = "▶"));
    this.wave.on("timeupdate", (now) => {
      at("sc-clock").textContent = clock(now);
      this.onTime(now);
    });
    // A format that this browser cannot play; the service may well know it.
    this.wave.on("error", () => this.clear());
    at("sc-wave").parentElement.hidden = false;
  }

  seek(seconds) {
    this.wave?.setTime(seconds);
    if (this.wave && !this.wave.isPlaying()) this.wave.play();
  }

  clear() {
    this.turn = null;
    this.wave?.destroy();
    this.wave = null;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    at("sc-play").textContent = "▶";
    at("sc-play").disabled = true;
    at("sc-clock").textContent = "";
    at("sc-wave").parentElement.hidden = true;
  }
}
