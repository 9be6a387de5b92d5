"""The page's modules become one script, and do the same as before."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from seacod.web.page import assets
from seacod.web.page.bundle import BrokenModules, bundle

MODULES = {
    "main.js": """import { add as plus, one } from "./numbers/sum.js";
import words, * as all from "./words.js";
import "./effects.js";
const later = await import("./later.js");
console.log(plus(one, 2), words, all.LOUD, effects.join(""), later.default(3));
console.log(await (await window.seacodModule("tab.js")).start());
""",
    "numbers/sum.js": """import { LOUD } from '../words.js';
export const one = 1;
export function add(a, b) {
  return `${a + b}${LOUD}`;
}
""",
    "words.js": """const LOUD = "!";
const shown = "word";
export { LOUD, shown as quiet };
export default shown;
""",
    "effects.js": "globalThis.effects = (globalThis.effects ?? []).concat('once');\n",
    "later.js": """import "./effects.js";
export default (n) => n * 2;
""",
    "tab.js": """export async function start() {
  return "started";
}
export class Unused {}
""",
    "nobody.js": "throw new Error('not imported by anything');\n",
}


def run(script: str, directory: Path) -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing: apt-get install nodejs")
    path = directory / "page.mjs"
    path.write_text(f"globalThis.window = globalThis;\n{script}", "utf-8")
    done = subprocess.run([node, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_modules_import_and_export_as_in_a_browser(tmp_path: Path) -> None:
    said = run(bundle(MODULES, "main.js", ["tab.js"]), tmp_path)
    assert said == "3! word ! once 6\nstarted\n"


def test_what_nobody_imports_is_left_out() -> None:
    assert "nobody" not in bundle(MODULES, "main.js")


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        ({"main.js": 'import { a } from "./gone.js";'}, "main.js imports ./gone.js"),
        ({"main.js": 'import("./gone.js");'}, "main.js imports ./gone.js"),
        ({"main.js": 'import "./a.js";', "a.js": 'import "./main.js";'}, "import each other"),
        ({"main.js": "export let changing = 1;"}, "export let changing"),
        (
            {"main.js": 'import { b as c } from "./a.js";', "a.js": "export const a = 1;"},
            "main.js imports b, which a.js does not export",
        ),
        ({"main.js": 'export * from "./a.js";', "a.js": ""}, "export"),
    ],
)
def test_what_cannot_work_is_said(modules: dict[str, str], said: str) -> None:
    with pytest.raises(BrokenModules, match=said):
        bundle(modules, "main.js")


def test_the_pages_own_script_is_one() -> None:
    script = assets.served()[assets.SCRIPT].body.decode()
    for name in ("single.js", "batch.js", "live.js", "system.js", "dom.js"):
        assert f'modules["{name}"]' in script
    assert "wavesurfer" not in script.partition("vendor/")[0]


@pytest.mark.parametrize("name", [assets.SCRIPT, assets.STYLE, "help.html"])
def test_only_what_the_mark_stands_for_is_kept_for_good(name: str) -> None:
    app = FastAPI()
    assets.mount(app)
    with TestClient(app) as client:
        own = client.get(f"/ui/{assets.mark()}/{name}")
        # A page of the release before, or a cache in between that asks for it after the upgrade.
        other = client.get(f"/ui/0123456789ab/{name}")
    assert "immutable" in own.headers["cache-control"]
    assert other.headers["cache-control"] == "no-cache"
    assert own.content == other.content
