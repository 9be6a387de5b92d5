// Language and colours, chosen by hand; without a choice both are the browser's (early.js).
import { at, memory } from "./dom.js";
import { language, switchTo } from "./language.js";

const isDark = () => document.body.classList.contains("dark");

function colour(dark) {
  document.body.classList.toggle("dark", dark);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
}

export function start() {
  at("sc-language").addEventListener("click", () => switchTo(language() === "zh" ? "en" : "zh"));
  at("sc-colours").addEventListener("click", () => {
    const dark = !isDark();
    memory.set("colours", dark ? "dark" : "light");
    colour(dark);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
    if (memory.get("colours", null) === null) colour(event.matches);
  });
}
