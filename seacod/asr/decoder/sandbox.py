"""What a process that touches strangers' sound may still do once it has its libraries: compute,
and answer. Called by `process.py` and `voice_process.py`.

Limits of the kernel (setrlimit), no privileges and no new ones, no descriptors but those it works
with, Landlock where the kernel has it (https://docs.kernel.org/userspace-api/landlock.html): from
then on only Python and its libraries can be read, nothing written, no process outside signalled;
and seccomp (`system_calls.py`): no socket of any kind, no program, no process, no thread.
Recordings come as open descriptors, so none of that is needed. Where one of the two is missing,
the other holds, and the worker says so.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
from dataclasses import dataclass

from seacod.asr.decoder import system_calls

_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1
# Access to files by version: 13 kinds, then refer (2), truncate (3), ioctl on devices (5).
_FILES_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}
_FILES_NOW = 16
_EXECUTE, _READ_FILE, _READ_DIRECTORY = 1 << 0, 1 << 2, 1 << 3
_TCP = 0b11  # bind and connect, from version 4
_SCOPES = 0b11  # abstract sockets and signals, from version 6
# Above what the libraries have mapped already: a frame of sound is small, whatever is claimed.
_MORE_MEMORY_BYTES = 768 << 20
_MAX_OPEN_FILES = 64


# capset(2): version 3 of its header; each set has two words.
_CAPABILITIES = struct.pack("=Ii", 0x20080522, 0), bytes(24)


@dataclass(frozen=True, slots=True)
class Cage:
    """What this machine has of it.

    Args:
        landlock: files, and signals where the kernel has Landlock's scopes.
        seccomp: system calls.
    """

    landlock: bool
    seccomp: bool


def enter(*kept: int) -> Cage:
    """Give up these rights for good.

    Args:
        kept: descriptors that stay open besides standard input, output and error.
    """
    _close_all_but({0, 1, 2, *kept})
    with open("/proc/self/statm") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.capset(*_CAPABILITIES)
    is_locked = _lock(libc)
    for what, limit in (
        (resource.RLIMIT_AS, mapped + _MORE_MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
    ):
        resource.setrlimit(what, (limit, limit))
    return Cage(is_locked, system_calls.refuse())


def _close_all_but(kept: set[int]) -> None:
    """Whatever a library has opened for itself."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:  # the one of the listing itself
                continue


def _lock(libc: ctypes.CDLL) -> bool:
    version = libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
    if version < 1:
        return False
    handled = [(1 << _FILES_OF_VERSION.get(version, _FILES_NOW)) - 1]
    if version >= 4:
        handled.append(_TCP)
    if version >= 6:
        handled.append(_SCOPES)
    attributes = struct.pack(f"={len(handled)}Q", *handled)
    rules = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if rules < 0:
        return False
    try:
        for directory in _libraries():
            opened = os.open(directory, os.O_PATH | os.O_CLOEXEC)
            try:
                allowed = _EXECUTE | _READ_FILE | _READ_DIRECTORY
                rule = struct.pack("=Qi", allowed, opened)
                libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0)
            finally:
                os.close(opened)
        return bool(libc.syscall(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _libraries() -> list[str]:
    """The directories from which Python imports, now or later, and its libraries load."""
    wanted = {sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", *sys.path}
    return sorted(path for path in wanted if path and os.path.isdir(path))
