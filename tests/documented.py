"""The commands that documents show, block by block; and which test runs what cannot be run where
the rest is. Those of the Chinese versions are the same (tests/unit/test_chinese_documents.py)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from supervised import ROOT

DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
CHINESE = sorted((ROOT / "docs" / "zh").glob("*.md"))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# A command of this form is run by that file, which has these words in it.
ELSEWHERE = {
    r"\./install\.sh --try.*": ("tests/system/test_try.py", '"--try"'),
    r"sudo \./install\.sh --dry-run": ("tests/system/test_service.py", '"--dry-run"'),
    r"sudo \./install\.sh": ("tests/system/conftest.py", ".install("),
    r"sudo \./install\.sh --(uninstall|purge)": ("tests/system/test_uninstall.py", '"--purge"'),
    r"sudo apt-get install \./seacod_.*": ("tests/system/test_packages.py", '"apt-get"'),
    r"\./tests/run.*": (".ci/run", "./tests/run --all"),
    r"make lint": (".ci/run", "shellcheck"),
    r"make (deb|wheel)": ("tests/system/test_packages.py", '"make"'),
    # With what comes besides.
    r"sudo SEACOD_EXTRAS=\S+ \./install\.sh": ("tests/system/conftest.py", "SEACOD_EXTRAS"),
    r"sudo -u postgres psql .*": ("tests/postgres.py", "CREATE ROLE"),
    r"seacod transcribe .* --ray .*": ("tests/archive/test_archive_on_ray.py", '"--ray"'),
    r"RAY_AUTH_MODE=token ray get-.*": ("tests/archive/test_archive_on_ray.py", '"--generate"'),
    r"RAY_AUTH_MODE=token ray start .*": ("tests/archive/test_archive_on_ray.py", '"--head"'),
    r"seacod bench .*": ("tests/worker/test_bench.py", "documented"),
    r"podman (build|run) .*": ("tests/image/podman.py", '"podman"'),
    r"tools/gpu_day": ("tests/full_size/test_full_size.py", "tools/gpu_day"),
    r"(sudo )?seacod (upgrade|rollback)( .*)?": ("tests/unit/test_releases.py", '"--check"'),
    r"seacod soak .*": ("tests/operating/test_soak_command.py", '"--speed"'),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    document: Path
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines without comments."""
        lines = (re.sub(r"\s+#\s.*$", "", line).strip() for line in self.text.splitlines())
        return [line for line in lines if line and not line.startswith("#")]


def blocks(language: str | None = None) -> list[Block]:
    """Of all documents; of one language if it is given."""
    found = [
        Block(document, *match)
        for document in DOCUMENTS
        for match in _FENCE.findall(document.read_text("utf-8"))
    ]
    return [one for one in found if language in (None, one.language)]


def elsewhere(command: str, document: Path) -> tuple[str, str] | None:
    """The file that runs it, and what stands in that."""
    if document.name == "api.md":
        # Line by line against a running service.
        return "tests/worker/test_docs_api.py", 'blocks("sh")'
    for pattern, where in ELSEWHERE.items():
        if re.fullmatch(pattern, command):
            return where
    return None
