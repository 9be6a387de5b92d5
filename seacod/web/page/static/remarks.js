// What a reader ought to know about a text: a line each, in the language of the page.
import { el } from "./dom.js";
import { putSentence } from "./language.js";

export function remarks(warnings) {
  return (warnings ?? []).map((warning) => {
    const line = el("p", { class: "sc-warning" });
    putSentence(line, { en: warning.message, zh: warning.message_zh });
    return line;
  });
}
