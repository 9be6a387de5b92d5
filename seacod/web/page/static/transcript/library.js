// "My recordings": what this browser keeps, to be opened again or deleted.
import { at, el, memory } from "../dom.js";
import { clock, onSwitch, size, text } from "../language.js";
import { isMine } from "./owner.js";
import { list, remove, sweep } from "./store.js";

const DAYS = 30;
const lists = [];

export const keptDays = () => Number(memory.get("days", DAYS));

export async function sweepOld() {
  const gone = await sweep(keptDays(), isMine);
  if (gone.length) for (const one of lists) one.onRemoved(gone);
}

// Something was kept or deleted.
export const refreshLists = () => lists.forEach((one) => one.refresh());

export class Library {
  // onOpen(recording); isWanted(recording): which of them are listed here; isOurs(recording): which go
  // with "delete all", if there are more.
  constructor(prefix, { onOpen, isWanted, isOurs = isWanted, onRemoved }) {
    this.box = at(`${prefix}-library`);
    this.onOpen = onOpen;
    this.isWanted = isWanted;
    this.onRemoved = onRemoved;
    this.rows = this.box.querySelector("ul");
    this.days = this.box.querySelector("[data-do=days]");
    this.days.value = String(keptDays());
    this.days.addEventListener("change", async () => {
      memory.set("days", Number(this.days.value));
      await sweepOld();
      refreshLists();
    });
    this.box.querySelector("[data-do=clear]").addEventListener("click", async () => {
      const all = ((await list()) ?? []).filter(isOurs);
      if (all.length && confirm(text("tr_delete_all_sure", { count: all.length }))) this.#remove(all);
    });
    onSwitch(() => this.refresh());
    lists.push(this);
    this.refresh();
  }

  async refresh() {
    this.days.value = String(keptDays());
    for (const option of this.days.options) {
      const days = Number(option.dataset.days);
      option.textContent = days ? text("tr_days", { days }) : text("tr_days_ever");
    }
    const all = ((await list()) ?? []).filter(this.isWanted);
    this.box.hidden = !all.length;
    this.rows.replaceChildren(...all.map((one) => this.#row(one)));
  }

  #row(recording) {
    const open = el("button", { type: "button", class: "sc-recording-open" },
      el("b", {}, recording.name),
      el("span", { class: "sc-hint" }, this.#facts(recording)),
      el("span", { class: "sc-excerpt" }, recording.excerpt ?? ""));
    open.addEventListener("click", () => this.onOpen(recording));
    const away = el("button", { type: "button", class: "sc-tool sc-recording-delete" });
    away.append(cross());
    away.setAttribute("aria-label", text("tr_delete_one", { name: recording.name }));
    away.title = text("tr_delete_one", { name: recording.name });
    away.addEventListener("click", () => {
      if (confirm(text("tr_delete_sure", { name: recording.name }))) this.#remove([recording]);
    });
    return el("li", {}, open, away);
  }

  #facts({ at: when, seconds, size: bytes, hasSound, state }) {
    const day = new Date(when).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    const facts = [day];
    if (seconds) facts.push(clock(seconds));
    if (bytes && hasSound) facts.push(size(bytes));
    if (state !== "done") facts.push(text("tr_unfinished"));
    else if (!hasSound) facts.push(text("tr_without_sound"));
    return facts.join(" · ");
  }

  async #remove(recordings) {
    const ids = recordings.map((one) => one.id);
    await remove(ids);
    this.onRemoved(ids);
    refreshLists();
  }
}

function cross() {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("class", "sc-icon");
  made.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M4.5 6.5h15M9.5 6.5V4h5v2.5M6.5 6.5l1 13.5h9l1-13.5M10 10.5v6M14 10.5v6");
  made.append(path);
  return made;
}
