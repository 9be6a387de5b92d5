// The page's scripts, one for each subject. Gradio draws a tab when it is first opened, and keeps it
// then: the script of a tab begins with that.
import { start as startBatch } from "./batch.js";
import { start as startConnection } from "./connection.js";
import { whenDrawn } from "./dom.js";
import { fill, onSwitch, text } from "./language.js";
import { start as startLive } from "./live.js";
import { start as startSingle } from "./single.js";
import { openTab, start as startSwitches } from "./switches.js";
import { start as startSystem } from "./system.js";
import { start as startWords } from "./words.js";

const TABS = { single: startSingle, batch: startBatch, live: startLive, system: startSystem };

async function startTab(name, start) {
  await whenDrawn(`#sc-tab-${name} [data-end]`);
  const tab = document.getElementById(`sc-tab-${name}`);
  fill(tab);
  startWords(tab);
  start();
  tab.dataset.seacod = "ready";
}

for (const [name, start] of Object.entries(TABS)) startTab(name, start);
await whenDrawn("#sc-connection", "#sc-tabs [role=tab]");
fill(document);
const name = () => (document.title = `${text("title")} · seacod`);
name();
onSwitch(name);
startSwitches();
startConnection();
// An address that comes back to a batch.
if (new URLSearchParams(location.search).has("job")) openTab("batch");
