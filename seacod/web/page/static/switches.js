// Language and colours, chosen by hand; without a choice both are the browser's.
import { at, memory } from "./dom.js";
import { language, switchTo, text } from "./language.js";

const TABS = window.seacodSetup.tabs.map((tab) => tab.name);

// Gradio wrote the names of the tabs when it drew them, in the language of then.
function nameTabs() {
  for (const name of TABS) {
    const known = Object.values(window.seacodSetup.texts).map((texts) => texts[`tab_${name}`]);
    for (const button of document.querySelectorAll("#sc-tabs [role=tab], #sc-tabs .overflow-menu button")) {
      const label = button.firstChild;
      if (known.includes(button.textContent.trim()) && label) {
        const wanted = text(`tab_${name}`);
        if (button.textContent.trim() !== wanted) button.textContent = wanted;
      }
    }
  }
}

function colour(dark) {
  document.body.classList.toggle("dark", dark);
}

export function openTab(name) {
  const label = text(`tab_${name}`);
  for (const button of document.querySelectorAll("#sc-tabs [role=tab]")) {
    if (button.textContent.trim() === label) button.click();
  }
}

export function start() {
  at("sc-language").addEventListener("click", () => {
    switchTo(language() === "zh" ? "en" : "zh");
    nameTabs();
  });
  at("sc-colours").addEventListener("click", () => {
    const dark = !document.body.classList.contains("dark");
    memory.set("colours", dark ? "dark" : "light");
    colour(dark);
  });
  const chosen = memory.get("colours", null);
  if (chosen) colour(chosen === "dark");
  // On a narrow window Gradio moves tabs into a menu and back, and draws them anew.
  new MutationObserver(nameTabs).observe(at("sc-tabs"), { childList: true, subtree: true });
  nameTabs();
}
