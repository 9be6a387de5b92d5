// What of a recording is heard: its channels and tracks. For this visit only: the next recording is
// another one.
import { at, el } from "./dom.js";
import { onSwitch, text } from "./language.js";

const TRACKS = [1, 2, 3, 4, 5, 6, 7, 8];

// The fields that the service is sent.
export function chooseSound(form, prefix) {
  form.append("channels", at(`${prefix}-channels`).value);
  form.append("track", at(`${prefix}-track`).value);
}

function fill(choice, options) {
  const chosen = choice.value;
  choice.replaceChildren(...options.map(([value, words]) => el("option", { value }, words)));
  choice.value = chosen;
}

export function start(tab) {
  for (const { dataset } of tab.querySelectorAll("[data-sound]")) {
    const draw = () => {
      fill(at(`${dataset.sound}-channels`), [
        ["", text("channels_auto")], ["mix", text("channels_mix")], ["split", text("channels_split")],
      ]);
      fill(at(`${dataset.sound}-track`), [
        ["", text("track_default")],
        ...TRACKS.map((number) => [String(number), text("track_number", { number })]),
        ["all", text("track_all")],
      ]);
    };
    draw();
    onSwitch(draw);
  }
}
