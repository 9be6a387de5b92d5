"""Items: is the machine fit for it."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

import seacod
from seacod.accelerators.registry import meant, of_device
from seacod.proving import systemd
from seacod.proving.checks.context import CheckContext
from seacod.proving.checks.item import NOTHING, Finding, fail, ok, warn, worst
from seacod.system.files.free_space import LEAST_FREE_FILES, free_bytes, free_files
from seacod.system.text.words import Words, reason

# From the articles' checklist.
WARN_MEMORY_BYTES = 16 << 30
WARN_DISK_BYTES = 20 << 30
# With less, the real model and long recordings do not fit.
FAIL_MEMORY_BYTES = 3 << 30
_GIB = 1 << 30
# An installation cannot be from the future; a day for time zones.
_DAY_SECONDS = 86400.0
_LOST: Words = ("seacod runbook gpu_lost", "见 seacod runbook gpu_lost")


def memory(context: CheckContext) -> Finding:
    """Enough for worker, nursery and long recordings."""
    own = 0
    for pid in context.pids if context.no_service is None else []:
        try:
            own += psutil.Process(pid).memory_info().rss
        except psutil.Error:
            continue
    usable = psutil.virtual_memory().available + own
    limit = systemd.shown("MemoryMax") if context.is_unit else ""
    by: Words = NOTHING
    if limit.isdigit() and int(limit) < usable:
        usable, by = int(limit), (" (MemoryMax= of the unit)", "（受单元 MemoryMax= 限制）")
    seen = (
        f"{usable / _GIB:.1f} GiB for seacod{by[0]}, {own / _GIB:.1f} of it in use",
        f"可供 seacod 使用 {usable / _GIB:.1f} GiB{by[1]}，已用 {own / _GIB:.1f} GiB",
    )
    more = (
        "with less than 16 GiB keep limits.concurrent_requests small and other programs away; "
        "docs/install.md has what it needs",
        "少于 16 GiB 时请减小 limits.concurrent_requests，并避免与其他程序共用；"
        "见 docs/zh/install.md",
    )
    if usable < FAIL_MEMORY_BYTES:
        return fail(seen, more)
    return warn(seen, more) if usable < WARN_MEMORY_BYTES else ok(*seen)


def disk(context: CheckContext) -> Finding:
    """Room for uploads and results."""
    paths = context.paths
    # Where uploads lie below the state directory, both are missing or closed for one reason.
    is_one = paths.temp.is_relative_to(paths.state) and free_bytes(paths.state) is None
    places = {paths.state} if is_one else {paths.state, paths.temp}
    return worst(
        (one for place in sorted(places) for one in _room(context, place)),
        _free_words(paths.temp),
    )


def _room(context: CheckContext, place: Path) -> Iterator[Finding]:
    files = free_files(place)
    if files is not None and files < LEAST_FREE_FILES:
        yield fail(
            (f"{place}: only {files} more files can be made there, its inodes are used up",
             f"{place}：只能再创建 {files} 个文件，inode 已用尽"),
            ("df -i shows them; files have to go, not bytes: du --inodes -x DIRECTORY | sort -n",
             "用 df -i 查看；需要减少文件数量而不是大小：du --inodes -x 目录 | sort -n"),
        )  # fmt: skip
    free, storage = free_bytes(place), context.settings.storage
    refuse_bytes = storage.free_refuse_bytes
    warn_bytes = max(WARN_DISK_BYTES, storage.free_warn_bytes)
    if free is None:
        yield _unseen(place)
    elif free < max(warn_bytes, refuse_bytes):
        english, chinese = _free_words(place)
        limit = refuse_bytes / _GIB
        seen: Words = (
            (
                f"{english}; uploads are refused below {limit:.1f} GiB (storage.free_refuse_bytes)",
                f"{chinese}；低于 {limit:.1f} GiB 时拒绝上传（storage.free_refuse_bytes）",
            )
            if free < refuse_bytes
            else (english, chinese)
        )
        yield (fail if free < refuse_bytes else warn)(
            seen,
            ("make room: du -xh --max-depth=2 DIRECTORY | sort -h; results.keep_days, "
             "paths.temp_directory, paths.state_directory",
             "请清理磁盘（du -xh --max-depth=2 目录 | sort -h），或调整 results.keep_days、"
             "paths.temp_directory、paths.state_directory"),
        )  # fmt: skip


def _unseen(place: Path) -> Finding:
    """One whose free space is not known."""
    try:
        place.stat()
    except FileNotFoundError:
        return warn(
            (f"{place}: is not there yet", f"{place}：尚不存在"),
            ("a service makes it at its first start: systemctl start seacod; where one has run "
             "before, see whether its file system is mounted (findmnt)",
             "服务首次启动时会创建：systemctl start seacod；若服务曾经运行过，"
             "请检查文件系统是否已挂载（findmnt）"),
        )  # fmt: skip
    except PermissionError:
        return warn(
            (f"{place}: is closed to this user", f"{place}：当前用户无权查看"),
            ("run it as root: sudo seacod check disk", "请以 root 运行：sudo seacod check disk"),
        )
    except OSError as error:
        why, chinese = reason(error)
        return fail(
            (f"{place}: cannot be looked at: {why}", f"{place}：无法查看：{chinese}"),
            (f"ls -ld {place}; findmnt -T {place}",) * 2,
        )
    return warn((f"{place}: its free space is not known", f"{place}：剩余空间未知"), NOTHING)


def _free_words(place: Path) -> tuple[str, str]:
    free = (free_bytes(place) or 0) / _GIB
    return f"{free:.1f} GiB free in {place}", f"{place} 剩余 {free:.1f} GiB"


def gpu(context: CheckContext) -> Finding:
    """The driver can be read, where there is a GPU."""
    told = context.status["gpu"]
    wanted = context.settings.asr.device
    if told["state"] == "read" and told["lost"]:
        words = "; ".join(told["lost"])
        return fail((f"does not answer: {words}", f"无响应：{words}"), _LOST)
    if told["state"] == "read":
        words = "; ".join(
            f"{one['name']}, {one['used_bytes'] >> 20} of {one['total_bytes'] >> 20} MiB used"
            for one in told["gpus"]
        )
        chinese = "；".join(
            f"{one['name']}，已用 {one['used_bytes'] >> 20} / {one['total_bytes'] >> 20} MiB"
            for one in told["gpus"]
        )
        if full := told["full_by_others"]:
            return _full(context, f"GPU {', '.join(map(str, full))}", words, chinese)
        count, workers = len(told["gpus"]), len(context.status["workers"])
        if count > 1 and workers == 1:
            return ok(
                f"{words}; one of {count} is used: supervisor.workers: auto takes all",
                f"{chinese}；{count} 块中只用一块：supervisor.workers: auto 可全部使用",
            )
        return ok(words or "no GPU", chinese or "无 GPU")
    expected = meant(wanted)
    mend = expected[0].mend_driver if expected else NOTHING
    if told["state"] == "unknown":
        return fail(("the driver of the GPU does not answer", "GPU 驱动没有响应"), mend)
    if of_device(wanted) is not None:
        return fail(
            (f"no driver of a GPU, though asr.device is {wanted}",
             f"没有 GPU 驱动，但 asr.device 为 {wanted}"), mend,
        )  # fmt: skip
    return ok(
        "no driver of a GPU, and asr.device does not ask for one",
        "没有 GPU 驱动，asr.device 也不要求",
    )


def _full(context: CheckContext, which: str, words: str, chinese: str) -> Finding:
    """Other programs keep a GPU full, whether the model is on it or not."""
    looks = "; ".join(one.looks_with for one in meant("auto"))
    if context.status["worker"]["device"] == "cpu":
        return warn(
            (f"{words}; {which} is full by other programs, and the model runs on the processor",
             f"{chinese}；{which} 已被其他程序占满，模型正在 CPU 上运行"),
            (f"{looks} names them; once there is room, asr.device: auto and systemctl restart "
             "seacod bring the model to the GPU",
             f"用 {looks} 查看占用者；腾出显存后，设置 asr.device 为 auto 并执行 systemctl restart "
             "seacod，即可使用显卡"),
        )  # fmt: skip
    return warn(
        (f"{words}; {which} is full by other programs", f"{chinese}；{which} 已被其他程序占满"),
        ("seacod runbook gpu_foreign", "见 seacod runbook gpu_foreign"),
    )


def clock(context: CheckContext) -> Finding:
    """Times in logs, results and alerts mean something."""
    installed = Path(seacod.__file__).stat().st_mtime
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    mend = (
        "timedatectl set-ntp true, or chrony; timedatectl shows the state",
        "执行 timedatectl set-ntp true 或安装 chrony；用 timedatectl 查看状态",
    )
    if time.time() < installed - _DAY_SECONDS:
        return fail((f"{now}: before the installation", f"{now}：早于安装时间"), mend)
    code, said = systemd.output("timedatectl", "show", "-P", "NTPSynchronized")
    if code != 0:
        return warn(
            (f"{now}; whether it is synchronised cannot be seen", f"{now}；无法查看是否已同步"),
            mend,
        )
    if said != "yes":
        return warn((f"{now}; it is not synchronised", f"{now}；未与时间服务器同步"), mend)
    return ok(f"{now}, synchronised", f"{now}，已同步")


ITEMS = (memory, disk, gpu, clock)
