// Which language to show: the browser's. The style sheet hides the other one (page.css).
document.documentElement.lang = navigator.language || "en";

// What the other scripts share. `seacodSetup` comes from page.py.
window.seacod = (() => {
  const language = document.documentElement.lang.toLowerCase().startsWith("zh") ? "zh" : "en";
  const { texts, root } = window.seacodSetup;
  return {
    text: (key, values = {}) =>
      texts[language][key].replace(/{(\w+)}/g, (whole, name) => values[name] ?? whole),
    address: (path) => root + path,
    // An error in the one shape of the API, in the reader's language.
    reasonOf: (body) => body?.error?.[language === "zh" ? "message_zh" : "message"] ?? "",
  };
})();
