// A file may be dropped anywhere on a tab that takes files: it goes to the tab's zone. On the others
// nothing happens; a browser by itself would open the file, and what was typed, chosen and heard
// would be gone.
import { tabInFront } from "./tabs.js";

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
const zone = () => document.querySelector(`#sc-tab-${tabInFront()} .sc-drop`);

export function keepDrops() {
  window.addEventListener("dragover", (event) => {
    if (!hasFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    const box = zone();
    event.dataTransfer.dropEffect = box ? "copy" : "none";
    box?.classList.add("sc-over");
  });
  window.addEventListener("dragleave", (event) => {
    // Out of the window.
    if (!event.relatedTarget) zone()?.classList.remove("sc-over");
  });
  window.addEventListener("drop", (event) => {
    if (!hasFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    const { dataTransfer } = event;
    zone()?.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
  });
}
