// The page's scripts, one for each subject. Gradio draws a tab when it is first opened, and keeps it
// then: the script of a tab begins with that.
import { start as startConnection } from "./connection.js";
import { whenDrawn } from "./dom.js";
import { fill, onSwitch, text } from "./language.js";
import { openTab, start as startSwitches } from "./switches.js";
import { start as startSound } from "./sound.js";
import { start as startSpeakers } from "./speakers.js";
import { start as startWords } from "./words.js";

const { tabs } = window.seacodSetup;

async function startTab({ name, script }) {
  const loading = script && import(`./${script}.js`);
  await whenDrawn(`#sc-tab-${name} [data-end]`);
  const tab = document.getElementById(`sc-tab-${name}`);
  fill(tab);
  startWords(tab);
  startSpeakers(tab);
  startSound(tab);
  (await loading)?.start();
  tab.dataset.seacod = "ready";
}

tabs.forEach(startTab);
await whenDrawn("#sc-connection", "#sc-tabs [role=tab]");
fill(document);
const name = () => (document.title = `${text("title")} · seacod`);
name();
onSwitch(name);
startSwitches();
startConnection();
// An address that comes back to something, such as a batch.
const given = new URLSearchParams(location.search);
for (const tab of tabs) if (tab.openedBy && given.has(tab.openedBy)) openTab(tab.name);
