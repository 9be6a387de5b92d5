// Another name for who speaks: for all of their sentences, as one step.
import { el, isOfInputMethod } from "../dom.js";
import { text } from "../language.js";
import { spokenBy } from "./sentences.js";

// A field in place of the button; the document has the new name afterwards.
export function askName(doc, speaker, button) {
  const field = el("input", { type: "text", maxlength: "40", class: "sc-speaker" });
  field.value = speaker;
  field.setAttribute("aria-label", text("speaker_rename"));
  let isOver = false;
  const end = (wanted, isAsked) => {
    if (isOver) return;
    isOver = true;
    const given = wanted.replace(/\s+/g, " ").trim();
    field.replaceWith(button);
    if (isAsked) button.focus({ preventScroll: true });
    if (given && given !== speaker) rename(doc, speaker, given);
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (isOfInputMethod(event)) return;
    if (event.key === "Enter") {
      event.preventDefault();
      end(field.value, true);
    } else if (event.key === "Escape") end(speaker, true);
  });
  field.addEventListener("blur", () => end(field.value, false));
  button.replaceWith(field);
  field.focus();
  field.select();
}

export function rename(doc, speaker, name) {
  const is = (one) => one.speaker === speaker || one.words.some((word) => word.speaker === speaker);
  const first = doc.sentences.findIndex(is);
  if (first < 0) return;
  const behind = doc.sentences.findLastIndex(is) + 1;
  const made = doc.sentences.slice(first, behind).map((one) => (is(one) ? spokenBy(one, { [speaker]: name }) : one));
  doc.change(first, behind - first, made);
}
