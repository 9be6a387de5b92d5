// In the document, before anything of it is seen: language, colours and tab are what they will be,
// and, called at the end of it, the texts in attributes.
(() => {
  const { texts, tabs } = window.seacodSetup;
  const kept = (key) => {
    try {
      return localStorage.getItem(`seacod.${key}`);
    } catch {
      // Storage is off: nothing is remembered.
      return null;
    }
  };
  const root = document.documentElement;
  const chosen = kept("language");
  root.lang = chosen ? (chosen === "zh" ? "zh-CN" : "en-US") : navigator.language || "en";
  const words = texts[root.lang.toLowerCase().startsWith("zh") ? "zh" : "en"];
  document.title = `${words.title} · seacod`;
  const colours = kept("colours");
  const isDark = colours ? colours === '"dark"' : matchMedia("(prefers-color-scheme: dark)").matches;
  document.body.classList.toggle("dark", isDark);
  root.style.colorScheme = isDark ? "dark" : "light";
  // The address names the tab (#batch), or has something that belongs to one (?job=...).
  const given = new URLSearchParams(location.search);
  const named = tabs.find((tab) => `#${tab.name}` === location.hash);
  const front = named ?? tabs.find((tab) => tab.openedBy && given.has(tab.openedBy)) ?? tabs[0];
  root.dataset.tab = front.name;

  // Texts that no element can hold in both languages: language.js calls it, too.
  window.seacodAttributes = (part) => {
    const words = texts[root.lang.toLowerCase().startsWith("zh") ? "zh" : "en"];
    const each = (name, act) => {
      for (const box of part.querySelectorAll(`[data-${name}]`)) act(box, words[box.dataset[name]]);
    };
    each("label", (box, said) => {
      box.setAttribute("aria-label", said);
      if (box.tagName === "BUTTON") box.title = said;
    });
    each("title", (box, said) => (box.title = said));
    each("placeholder", (box, said) => (box.placeholder = said));
    each("empty", (box, said) => (box.dataset.emptyText = said));
  };
})();
