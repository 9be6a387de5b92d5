// Copying the text, and taking it as a file. Files are written by the service from the text as it is
// now (POST /formats/NAME): whoever knows a format is the one place that writes it.
import { copy } from "../dom.js";
import { put } from "../language.js";
import { Refusal, written } from "../service.js";

const BACK_MS = 2500;
const GONE_MS = 60_000;
const { formats } = window.seacodSetup;

export class Taking {
  // host: {body(), text(), name} of what is shown.
  constructor(box, host) {
    this.host = host;
    this.done = box.querySelector("[data-done]");
    box.querySelector("[data-do=copy]").addEventListener("click", async () => {
      await copy(host.text());
      this.say("copied");
    });
    for (const format of formats) {
      const link = box.querySelector(`[data-do=${format.name}]`);
      link?.addEventListener("click", (event) => {
        // With the file in hand it is followed like any other.
        if (link.href.startsWith("blob:")) return;
        event.preventDefault();
        this.#take(link, format);
      });
    }
  }

  say(key, values = {}) {
    put(this.done, key, values);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => put(this.done, null), BACK_MS);
  }

  async #take(link, format) {
    let content;
    try {
      content = await this.#content(format);
    } catch (error) {
      this.say(error instanceof Refusal ? "unexpected" : "lost");
      return;
    }
    const stem = this.host.name.replace(/\.[^.]*$/, "") || "seacod";
    const url = URL.createObjectURL(content);
    link.href = url;
    link.download = `${stem}${format.ending}`;
    link.click();
    link.href = "#";
    setTimeout(() => URL.revokeObjectURL(url), GONE_MS);
    link.closest("details")?.removeAttribute("open");
  }

  // What it has anyway needs nobody.
  #content(format) {
    const body = this.host.body();
    if (!format.isJson) return written(format.name, { ...body, name: this.host.name });
    return new Blob([JSON.stringify(body, null, 1)], { type: format.type });
  }
}
