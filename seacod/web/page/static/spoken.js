// What screen readers are told of things that go on: once for each step, not at every percent. It is
// one place that is not seen (document.py); what is seen is no live region.
import { at } from "./dom.js";
import { text } from "./language.js";

// A text of ours; a value may itself be a function that makes a text.
export function speak(key, values = {}) {
  const known = Object.entries(values).map(([name, value]) => [name, typeof value === "function" ? value() : value]);
  at("sc-said").textContent = text(key, Object.fromEntries(known));
}
