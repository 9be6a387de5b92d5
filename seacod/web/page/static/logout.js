// Logging out: what this browser keeps belongs to the browser and not to the login, so whoever goes is
// asked whether it goes, too.
import { at } from "./dom.js";
import { text } from "./language.js";
import { list, remove } from "./transcript/store.js";

export function start() {
  const form = at("sc-logout")?.closest("form");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const kept = (await list()) ?? [];
    const isMeant = kept.length && confirm(text("logout_kept", { count: kept.length }));
    if (isMeant) await remove(kept.map(({ id }) => id));
    form.submit();
  });
}
