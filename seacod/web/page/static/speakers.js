// Who speaks: how many are to be told apart. Their names: transcript/names.js.
import { at, el, memory } from "./dom.js";
import { onSwitch, text } from "./language.js";

const COUNTS = [2, 3, 4, 5, 6, 7, 8];

// What the service is asked for; empty for nobody.
export const speakers = (prefix) => at(`${prefix}-speakers`).value;

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
