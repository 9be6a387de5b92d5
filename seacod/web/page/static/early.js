// Before anything is drawn: the language somebody chose here counts as the browser's, for Gradio's
// labels as for ours (page.css hides the other one).
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("seacod.language");
  } catch {
    // Storage is off: nothing is remembered.
  }
  if (chosen) {
    const tag = chosen === "zh" ? "zh-CN" : "en-US";
    Object.defineProperty(navigator, "language", { configurable: true, get: () => tag });
  }
  document.documentElement.lang = navigator.language || "en";
})();
