"""The fake NVIDIA driver, steered by a file (tests/gpu/fake_nvml.c)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).parent / "gpu/fake_nvml.c"


def build(directory: Path) -> Path:
    """Compile the library into `directory`, which is returned."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is missing: apt-get install gcc libc6-dev"
    library = directory / "libnvidia-ml.so.1"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, _SOURCE],
        check=True,
    )
    return directory


class Driver:
    """What `libnvidia-ml.so.1` tells a process with this environment."""

    def __init__(self, file: Path, library: Path) -> None:
        self._file = file
        self.environment = {"FAKE_NVML": str(file), "LD_LIBRARY_PATH": str(library)}
        self.tell()

    def tell(
        self,
        *,
        used_mib: int = 1000,
        total_mib: int = 12288,
        processes: dict[int, int] | None = None,
        error: int = 0,
        hang_seconds: int = 0,
        is_mig: bool = False,
        unsupported: bool = False,
        others: str = "",
    ) -> None:
        """One GPU; `others` are lines for more of them."""
        lines = [f"gpu {total_mib} {used_mib} 37 61 98500 {int(is_mig)}"]
        lines += [f"process 0 {pid} {mib}" for pid, mib in (processes or {}).items()]
        lines += [others] if others else []
        if error:
            lines.append(f"error {error}")
        if hang_seconds:
            lines.append(f"hang {hang_seconds}")
        if unsupported:
            lines.append("unsupported")
        temporary = self._file.with_suffix(".new")
        temporary.write_text("\n".join(lines) + "\n")
        temporary.rename(self._file)
