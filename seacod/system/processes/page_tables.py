"""Pages of mapped files, libraries and models, that a process has used. One that is forked from it
has no entries for them in its page table and faults on each again, which takes a tenth of a second
for a gigabyte; here it has them entered beforehand. Used by a worker before its order
(`worker/waiting.py`). Nothing is read from the disk that was not in use, nothing is copied.
"""

from __future__ import annotations

import ctypes
import resource
from dataclasses import dataclass
from pathlib import Path

# A fault brings the pages around it along (fault_around_bytes): less is not worth a call.
_LEAST_BYTES = 64 << 10
# madvise(2), Linux 5.14; an older kernel refuses it, and the pages come as they are needed.
_MADV_POPULATE_READ = 22


@dataclass(frozen=True, slots=True)
class AddressSpan:
    """Addresses of this process and of those that are forked from it."""

    start: int
    length_bytes: int


def used_of_files() -> list[AddressSpan]:
    """Where this process has pages of files now; nothing where the kernel does not tell."""
    # Not before what it starts by itself is switched off (`worker/main.py`).
    import numpy as np

    spans: list[AddressSpan] = []
    page_bytes = resource.getpagesize()
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
            for line in Path("/proc/self/maps").read_text().splitlines():
                addresses, permissions, _, _, inode, *_ = line.split(maxsplit=5)
                start, end = (int(one, 16) for one in addresses.split("-"))
                if permissions[0] != "r" or inode == "0" or end - start < _LEAST_BYTES:
                    continue
                pagemap.seek(start // page_bytes * 8)
                entries = np.frombuffer(pagemap.read((end - start) // page_bytes * 8), np.uint64)
                # Bit 63: the page is there (proc(5)).
                is_there = (entries >> np.uint64(63)).astype(np.int8)
                edges = np.flatnonzero(np.diff(is_there, prepend=0, append=0))
                for first, after in edges.reshape(-1, 2).tolist():
                    length = (after - first) * page_bytes
                    if length >= _LEAST_BYTES:
                        spans.append(AddressSpan(start + first * page_bytes, length))
    except (OSError, ValueError):
        return []
    return spans


def enter(spans: list[AddressSpan]) -> None:
    """Have the kernel enter these in the page table, as far as it can."""
    madvise = ctypes.CDLL(None).madvise
    for span in spans:
        madvise(
            ctypes.c_void_p(span.start), ctypes.c_size_t(span.length_bytes), _MADV_POPULATE_READ
        )
