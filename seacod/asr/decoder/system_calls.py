"""Which system calls a caged process has lost, by seccomp through libseccomp (pyseccomp).

The filter is a list of what opens a way out: sockets of every kind, programs and processes, other
processes, files to be written, the kernel's rarer doors. All else is computing. Each refused call
fails with EPERM, as if its user were not allowed to. Called by `sandbox.py` as its last step.
"""

from __future__ import annotations

import errno
import os
from typing import Any

# Before anything is given up: it looks for libseccomp by way of a program of the system.
try:
    import pyseccomp
except (ImportError, RuntimeError, OSError):  # RuntimeError: there is no libseccomp
    pyseccomp = None

_CLONE_THREAD = 0x00010000
_SET_OWNER = (8, 15)  # F_SETOWN, F_SETOWN_EX: signals to others by way of a descriptor
# As in /usr/include/seccomp.h, which pyseccomp follows.
_TSYNC = 4

_REFUSED = {
    "sockets": "socket socketpair connect bind listen accept accept4 socketcall",
    "rings, which open sockets and files past this list": "io_uring_setup io_uring_enter "
    "io_uring_register io_setup io_submit",
    "programs and processes": "execve execveat fork vfork unshare setns",
    "other processes": "ptrace process_vm_readv process_vm_writev process_madvise "
    "process_mrelease pidfd_open pidfd_getfd pidfd_send_signal kcmp tkill rt_sigqueueinfo "
    "rt_tgsigqueueinfo setpriority sched_setaffinity sched_setscheduler sched_setparam "
    "sched_setattr ioprio_set migrate_pages move_pages setpgid setsid",
    "shared memory and messages": "shmget shmat shmctl msgget msgsnd msgrcv msgctl semget semop "
    "semctl semtimedop mq_open mq_unlink ipc memfd_create memfd_secret",
    "files": "creat openat2 mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link "
    "linkat symlink symlinkat mknod mknodat truncate truncate64 chmod fchmod fchmodat fchmodat2 "
    "chown chown32 lchown fchown fchownat utime utimes utimensat futimesat setxattr lsetxattr "
    "fsetxattr removexattr lremovexattr fremovexattr name_to_handle_at open_by_handle_at "
    "inotify_init inotify_init1 inotify_add_watch fanotify_init fanotify_mark chroot pivot_root "
    "mount umount umount2 mount_setattr move_mount open_tree fsopen fsmount fspick fsconfig "
    "quotactl quotactl_fd swapon swapoff acct",
    "whose it is": "setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid "
    "setgroups capset prctl arch_prctl personality setrlimit",
    "the kernel": "bpf perf_event_open userfaultfd keyctl add_key request_key init_module "
    "finit_module delete_module kexec_load kexec_file_load reboot syslog iopl ioperm modify_ldt "
    "settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname vhangup "
    "lookup_dcookie",
}


def refuse() -> bool:
    """Lose them, for good.

    Returns:
        Whether they are lost: libseccomp is there, and the kernel takes its filter.
    """
    if pyseccomp is None:
        return False
    try:
        made = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        made.set_attr(_TSYNC, 1)
        for names in _REFUSED.values():
            for name in names.split():
                _refuse(made, name)
        _refuse_by_argument(made)
        made.load()
    except OSError:
        return False
    return True


def _refuse_by_argument(made: Any) -> None:
    """Calls that a process needs for itself, where they reach further."""
    arg, equal, differs, masked = pyseccomp.Arg, pyseccomp.EQ, pyseccomp.NE, pyseccomp.MASKED_EQ
    own = os.getpid()
    # No processes, and no threads either: there are as many as there will be. glibc asks for the
    # newer call first, and takes the older one where there is none.
    _refuse(made, "clone3", error=errno.ENOSYS)
    _refuse(made, "clone", arg(0, masked, _CLONE_THREAD, 0))
    _refuse(made, "clone", arg(0, masked, _CLONE_THREAD, _CLONE_THREAD), error=errno.EAGAIN)
    # A process that crashes sends the signal to itself.
    _refuse(made, "kill", arg(0, differs, own))
    _refuse(made, "tgkill", arg(0, differs, own))
    # Limits of others (0 is one's own).
    _refuse(made, "prlimit64", arg(0, differs, 0))
    for command in _SET_OWNER:
        for name in ("fcntl", "fcntl64"):
            _refuse(made, name, arg(1, equal, command))
    for name, flags in (("open", 1), ("openat", 2)):
        for mode in (os.O_WRONLY, os.O_RDWR):
            _refuse(made, name, arg(flags, masked, os.O_ACCMODE, mode))
        for flag in (os.O_CREAT, os.O_TRUNC):
            _refuse(made, name, arg(flags, masked, flag, flag))


def _refuse(made: Any, name: str, *arguments: Any, error: int = errno.EPERM) -> None:
    try:
        call = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
        made.add_rule(pyseccomp.ERRNO(error), call, *arguments)
    except (OSError, ValueError):
        # Not of this architecture, or newer than this libseccomp.
        return
