"""Only what is needed of FunASR is imported, and nothing is heard otherwise for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from seacod.asr.recognisers.seaco_paraformer import FUNASR
from seacod.models.registry import BUILTIN

HEARD = """
import json, sys
if sys.argv[1] == "whole":
    import funasr
    from funasr import AutoModel
from seacod.asr import audio
from seacod.asr.recognisers.seaco_paraformer import SeacoParaformer
from seacod.config.schema import AsrSettings
from seacod.models import registry
from seacod.models.examples import EXAMPLES, examples
engine = SeacoParaformer(registry.resolve(AsrSettings(), registry.BUILTIN), 1)
heard = [
    (one.text, [(t.text, t.start_seconds, t.end_seconds, t.confidence) for t in one.tokens])
    for example in examples()
    for one in engine.recognise(
        [audio.decode(EXAMPLES / example["file"], max_seconds=300)], [[example["hotwords"]]]
    )
]
print(json.dumps({"heard": heard, "modules": sorted(sys.modules)}))
"""
MADE = """
import json, sys
from pathlib import Path
from seacod.asr.recognisers import funasr_library
from seacod.asr.recognisers.seaco_paraformer import FUNASR
made = funasr_library.auto_model([Path(sys.argv[1])], FUNASR)
print(json.dumps({"from": made.__module__, "modules": sorted(sys.modules)}))
"""


def run(code: str, *arguments: str, path: Path | None = None) -> dict[str, Any]:
    environment = dict(os.environ)
    if path is not None:
        environment["PYTHONPATH"] = f"{path}:{environment.get('PYTHONPATH', '')}"
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer | {"log": result.stdout + result.stderr}


def other_funasr(directory: Path, files: dict[str, str]) -> Path:
    """A FunASR of another version, and where it is installed."""
    for name, text in files.items():
        file = directory / "site" / "funasr" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return directory / "site"


def model(directory: Path, **changed: str) -> Path:
    """The directory of a model made of these classes."""
    named = yaml.safe_load((BUILTIN / "config.yaml").read_text("utf-8")) | changed
    (directory / "model").mkdir()
    (directory / "model" / "config.yaml").write_text(yaml.safe_dump(named), "utf-8")
    return directory / "model"


# Another FunASR that has the same files as ours.
ALIKE = {
    f"{name}.py": ""
    for name in (
        "models/seaco_paraformer/model", "models/sanm/encoder", "models/paraformer/decoder",
        "models/bicif_paraformer/cif_predictor", "frontends/wav_frontend",
        "tokenizer/char_tokenizer",
    )
} | {
    "__init__.py": "from funasr.auto.auto_model import AutoModel\nimport funasr.other\n",
    "auto/auto_model.py": "class AutoModel: ...\n",
    "other.py": "",
}  # fmt: skip
REGISTER = "class Tables:\n    model_classes = {!r}\ntables = Tables()\n"


@pytest.mark.full
def test_a_lean_import_hears_the_same_to_the_last_digit() -> None:
    lean, whole = run(HEARD, "lean"), run(HEARD, "whole")
    assert lean["heard"] == whole["heard"]
    unneeded = {"sklearn", "transformers", "numba", "scipy", "hydra", "modelscope"}
    assert unneeded <= tops(whole)
    assert "funasr" in tops(lean)
    assert not (unneeded | {"gradio"}) & tops(lean)


def tops(ran: dict[str, Any]) -> set[str]:
    """The packages that were imported."""
    return {name.partition(".")[0] for name in ran["modules"]}


@pytest.mark.full
def test_another_version_with_other_files_is_imported_whole(tmp_path: Path) -> None:
    path = other_funasr(
        tmp_path, {"__init__.py": "class AutoModel: ...\nAutoModel.__module__ = 'whole'\n"}
    )
    made = run(MADE, str(model(tmp_path)), path=path)
    assert made["from"] == "whole"
    assert made["log"].count("funasr_imported_whole") == 1


def test_a_class_that_is_not_ours_is_imported_whole(tmp_path: Path) -> None:
    directory = model(tmp_path, encoder="ConformerEncoder")
    made = run(MADE, str(directory), path=other_funasr(tmp_path, ALIKE))
    assert made["from"] == "funasr.auto.auto_model"
    assert "funasr.other" in made["modules"]
    assert "ConformerEncoder" in made["log"]


@pytest.mark.full
def test_a_class_that_is_no_longer_where_it_was_is_imported_whole(tmp_path: Path) -> None:
    """Its module is there, but registers it no more."""
    path = other_funasr(tmp_path, ALIKE | {"register.py": REGISTER.format({})})
    made = run(MADE, str(model(tmp_path)), path=path)
    assert "funasr.other" in made["modules"]
    assert "not registered" in made["log"]


@pytest.mark.full
def test_who_asks_the_package_itself_gets_the_whole_of_it(tmp_path: Path) -> None:
    """Somebody else's recogniser, in the same process."""
    directory = model(tmp_path)
    named = yaml.safe_load((directory / "config.yaml").read_text("utf-8"))
    classes = {str(one): None for one in named.values() if str(one) in FUNASR.modules}
    path = other_funasr(tmp_path, ALIKE | {"register.py": REGISTER.format(classes)})
    assert "funasr.other" not in run(MADE, str(directory), path=path)["modules"]
    code = MADE.replace("print(", "from funasr import AutoModel\nprint(")
    assert "funasr.other" in run(code, str(directory), path=path)["modules"]
