"""What a decoding process may still do once it has its libraries: compute, and answer.

Limits of the kernel (setrlimit), no new privileges (prctl), and Landlock where the kernel has it
(https://docs.kernel.org/userspace-api/landlock.html): from then on only Python and its libraries
can be read, nothing written, no TCP connection made, no process outside signalled. Recordings come
as open descriptors, so none of that is needed. Without Landlock (before Linux 5.13, or not allowed)
the rest holds.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys

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


def enter() -> bool:
    """Give up these rights for good.

    Returns:
        Whether the kernel has Landlock.
    """
    with open("/proc/self/statm") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    is_locked = _lock(libc)
    for what, limit in (
        (resource.RLIMIT_AS, mapped + _MORE_MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
    ):
        resource.setrlimit(what, (limit, limit))
    return is_locked


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
