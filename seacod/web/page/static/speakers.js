// Who speaks: how many are to be told apart, and the names that a reader gives them.
import { at, el, memory } from "./dom.js";
import { onSwitch, text } from "./language.js";

const COUNTS = [2, 3, 4, 5, 6, 7, 8];
const ESCAPED = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

const escaped = (name) => name.replace(/[&<>]/g, (character) => ESCAPED[character]);
const inCell = (name) => name.replaceAll(",", "，");
const literal = (name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

// What the service is asked for; empty for nobody.
export const speakers = (prefix) => at(`${prefix}-speakers`).value;

// The same text with other names: {S1: "..."}; names stand at the beginning of a line (in LRC
// behind the time), in WebVTT in a voice span, in ASS in the fifth field.
export function renamed(written, names) {
  let made = written;
  for (const [old, name] of Object.entries(names)) {
    made = made
      .replace(new RegExp(`^(\\[[\\d:.]+\\])?${literal(old)}: `, "gm"),
        (_, time = "") => `${time}${name}: `)
      .replace(new RegExp(`^(Dialogue: (?:[^,]*,){4})${literal(inCell(old))},`, "gm"),
        (_, before) => `${before}${inCell(name)},`)
      .replaceAll(`<v ${escaped(old)}>`, () => `<v ${escaped(name)}>`);
  }
  return made;
}

// The whole answer with other names.
export function renamedBody(body, names) {
  const other = (one) => (one.speaker ? { ...one, speaker: names[one.speaker] ?? one.speaker } : one);
  return {
    ...body,
    segments: body.segments.map((one) => ({ ...other(one), tokens: one.tokens.map(other) })),
    speakers: (body.speakers ?? []).map((one) => ({ ...one, name: names[one.name] ?? one.name })),
    also: Object.fromEntries(
      Object.entries(body.also ?? {}).map(([format, written]) => [format, renamed(written, names)]),
    ),
  };
}

// A name to click on; onName(name) is told the new one.
export function nameButton(name, onName) {
  const button = el("button", { type: "button", class: "sc-speaker" }, name);
  button.title = text("speaker_rename");
  button.addEventListener("click", () => {
    const field = el("input", { type: "text", maxlength: "40", class: "sc-speaker" });
    field.value = name;
    field.setAttribute("aria-label", text("speaker_rename"));
    let isOver = false;
    const end = (wanted) => {
      if (isOver) return;
      isOver = true;
      const given = wanted.replace(/\s+/g, " ").trim();
      if (given && given !== name) onName(given);
      else field.replaceWith(button);
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") {
        event.preventDefault();
        end(field.value);
      } else if (event.key === "Escape") end(name);
    });
    field.addEventListener("blur", () => end(field.value));
    button.replaceWith(field);
    field.focus();
    field.select();
  });
  return button;
}

// The choices of one tab, which this browser remembers.
export function start(tab) {
  for (const choice of tab.querySelectorAll("select[data-speakers]")) {
    const key = `speakers.${choice.dataset.speakers}`;
    const draw = (chosen) => {
      choice.replaceChildren(
        el("option", { value: "" }, text("speakers_off")),
        el("option", { value: "true" }, text("speakers_estimated")),
        el("option", { value: "1" }, text("speakers_one")),
        ...COUNTS.map((count) =>
          el("option", { value: String(count) }, text("speakers_count", { count })),
        ),
      );
      choice.value = chosen;
      if (choice.selectedIndex < 0) choice.value = "";
    };
    draw(memory.get(key, ""));
    choice.addEventListener("change", () => memory.set(key, choice.value));
    onSwitch(() => draw(choice.value));
  }
}
