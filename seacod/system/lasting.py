"""Which faults of the operating system last until somebody changes a setting, and which may be gone
at the next try. A start that fails by one that lasts ends with 78, after which systemd does not try
again; every other one is tried again.
"""

from __future__ import annotations

import errno

# A path or an address as it is written, which nothing but another one mends.
_LASTING = frozenset({
    errno.EAFNOSUPPORT, errno.EEXIST, errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG,
    errno.ENOTDIR, errno.EPROTONOSUPPORT,
})  # fmt: skip
# Of a file that is only read: a wrong path, mostly, or a wrong mode.
_LASTING_FILE = _LASTING | {errno.ENOENT, errno.EACCES, errno.EPERM}


def lasts(error: OSError) -> bool:
    """Whether a directory cannot be made, or an address listened on, with these settings ever.

    Not so a full or read-only disk, an I/O error, a mount or an address that comes late, nor a
    directory that is somebody else's for now.
    """
    # Without a number it is Python that refuses, such as a path too long for a unix socket.
    return error.errno is None or error.errno in _LASTING


def lasts_for_file(error: OSError) -> bool:
    """Whether a file that the settings name cannot be read until somebody sees to it."""
    return error.errno is None or error.errno in _LASTING_FILE
