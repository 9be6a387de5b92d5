// Hotwords: what is in the fields, and lists with names, kept in this browser. All tabs share them.
import { at, el, isOfInputMethod, memory } from "./dom.js";
import { onSwitch, text } from "./language.js";

const lists = () => memory.get("hotwords", {});
const boxes = [];

class Words {
  constructor(box) {
    const part = (selector) => box.querySelector(selector);
    this.field = part("textarea");
    this.select = part("select");
    this.naming = part(".sc-naming");
    this.name = part(".sc-naming input");
    this.remove = part("[data-do=delete]");
    const key = `words.${box.dataset.words}`;
    // After a reload it is still there.
    this.field.value = memory.get(key, "");
    this.field.addEventListener("input", () => {
      memory.set(key, this.field.value);
      this.choose("");
    });
    this.select.addEventListener("change", () => {
      const words = lists()[this.select.value];
      if (words !== undefined) this.field.value = words;
      memory.set(key, this.field.value);
      this.choose(this.select.value);
    });
    part("[data-do=save]").addEventListener("click", () => {
      this.naming.hidden = false;
      this.name.value = this.select.value;
      this.name.focus();
    });
    part("[data-do=keep]").addEventListener("click", () => this.keep());
    this.name.addEventListener("keydown", (event) => {
      if (isOfInputMethod(event)) return;
      if (event.key === "Enter") {
        event.preventDefault();
        this.keep();
      } else if (event.key === "Escape") {
        this.naming.hidden = true;
      }
    });
    this.remove.addEventListener("click", () => {
      const kept = lists();
      delete kept[this.select.value];
      memory.set("hotwords", kept);
      for (const one of boxes) one.draw("");
    });
    this.draw("");
  }

  keep() {
    const name = this.name.value.trim();
    if (!name) return;
    memory.set("hotwords", { ...lists(), [name]: this.field.value });
    this.naming.hidden = true;
    for (const one of boxes) one.draw(one === this ? name : one.select.value);
  }

  choose(name) {
    this.select.value = name;
    this.remove.hidden = !name;
  }

  draw(chosen) {
    const names = Object.keys(lists()).sort((a, b) => a.localeCompare(b));
    const options = names.map((name) => el("option", { value: name }, name));
    this.select.replaceChildren(el("option", { value: "" }, text("words_lists")), ...options);
    this.select.hidden = !names.length;
    this.choose(names.includes(chosen) ? chosen : "");
  }
}

export const hotwords = (prefix) => at(`${prefix}-hotwords`).value;

export function setHotwords(prefix, words) {
  const field = at(`${prefix}-hotwords`);
  field.value = words;
  field.dispatchEvent(new Event("input"));
}

// The boxes of one tab.
export function start(tab) {
  for (const box of tab.querySelectorAll(".sc-words")) {
    const words = new Words(box);
    boxes.push(words);
    onSwitch(() => words.draw(words.select.value));
  }
}
