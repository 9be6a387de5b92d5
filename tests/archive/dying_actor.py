"""Runs an archive as `seacod transcribe --ray` does, with an actor that dies at names with a word
in them. Arguments: address of the cluster, directory, output.

ARCHIVE_PLAN names a file of JSON: `poison` (dies whenever it hears a name with this), `once` (only
the first time, which `mark` tells), `hold` (never ends with a name with this).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from seacod.archive import command
from seacod.archive.actor import TranscriptionActor
from seacod.asr.choice import SoundChoice

PLAN = json.loads(os.environ.get("ARCHIVE_PLAN", "{}"))


class Mortal(TranscriptionActor):
    """One that dies as planned."""

    async def hear(self, name: str, *arguments: Any) -> dict[str, Any]:
        plan = json.loads(Path(PLAN["file"]).read_text())
        if plan.get("poison", "\0") in name:
            os._exit(70)
        once = plan.get("once", "\0")
        if once in name and not Path(plan["mark"]).exists():
            Path(plan["mark"]).touch()
            os._exit(71)
        if plan.get("hold", "\0") in name:
            await asyncio.Event().wait()
        return await super().hear(name, *arguments)


def main() -> int:
    address, directory, output = sys.argv[1:4]
    return command.transcribe(
        command.Archive(
            given=[directory],
            output=output,
            format="text",
            hotwords="",
            choice=SoundChoice(),
            ray=address,
            model="builtin",
            config=None,
            is_again=False,
            metrics_port=0,
        ),
        Mortal if PLAN else TranscriptionActor,
    )


if __name__ == "__main__":
    sys.exit(main())
