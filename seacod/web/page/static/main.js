// The page's scripts, one for each subject. The document has all of the page already; a tab's script
// begins at once where the tab is in front, and the others' as soon as that is done.
import { start as startConnection } from "./connection.js";
import { at } from "./dom.js";
import { keepDrops } from "./drops.js";
import { fill, onSwitch, text } from "./language.js";
import { start as startLogout } from "./logout.js";
import { start as startSound } from "./sound.js";
import { start as startSpeakers } from "./speakers.js";
import { start as startSwitches } from "./switches.js";
import { start as startTabs, tabInFront } from "./tabs.js";
import { start as startWords } from "./words.js";

const { tabs } = window.seacodSetup;

async function startTab({ name, script }) {
  const tab = at(`sc-tab-${name}`);
  startWords(tab);
  startSpeakers(tab);
  startSound(tab);
  if (script) (await window.seacodModule(`${script}.js`)).start();
  tab.dataset.seacod = "ready";
}

fill(document);
startSwitches();
startLogout();
startTabs();
keepDrops();
onSwitch(() => (document.title = `${text("title")} · seacod`));
const front = tabs.find((tab) => tab.name === tabInFront());
await startTab(front);
startConnection();
for (const tab of tabs) if (tab !== front) startTab(tab);
