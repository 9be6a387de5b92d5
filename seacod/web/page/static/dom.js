// Small helpers around the document. What came from outside goes in as text, never as HTML.
import { droppedFiles } from "./folders.js";

export const at = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// What this browser remembers; nothing, where storage is off.
export const memory = {
  get(key, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`seacod.${key}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(`seacod.${key}`, JSON.stringify(value));
    } catch {
      // Full or off: it is only a convenience.
    }
  },
};

export function showBar(bar, share) {
  bar.classList.toggle("sc-moving", share === null);
  bar.firstElementChild.style.width = share === null ? "" : `${Math.round(1000 * share) / 10}%`;
}

// Whether a key belongs to an input method: in Safari the one that ends its word is told by its
// number alone.
export const isOfInputMethod = (event) => event.isComposing || event.keyCode === 229;

// Works on plain http, too, where there is no navigator.clipboard.
export async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const box = el("textarea", { class: "sc-offscreen" });
  box.value = text;
  document.body.append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
}

// Files dropped on an area, or chosen in its input.
export function onFiles(area, input, take) {
  input.addEventListener("change", () => {
    if (input.files.length) take([...input.files]);
    // The same file may be chosen again.
    input.value = "";
  });
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("sc-over");
  });
  area.addEventListener("dragleave", () => area.classList.remove("sc-over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("sc-over");
    droppedFiles(event.dataTransfer).then((files) => files.length && take(files));
  });
}
