"""Section `storage`."""

from __future__ import annotations

from seacod.config.setting import MIB, Section, setting


class StorageSettings(
    Section, applies="live", chinese="磁盘上的上传文件：保留多久，空间少到多少时不再接收"
):
    """Uploads on the disk: how long they stay, and when there is too little room for more."""

    sweep_interval_seconds: float = setting(
        7200.0,
        "Seconds between two sweeps of what was left of uploads",
        "清理遗留上传文件的间隔（秒）",
        between=(1, 604_800),
    )
    keep_seconds: float = setting(
        3600.0,
        "What has not been touched for so many seconds is removed, unless a request still needs it",
        "多久未被访问的上传文件会被清理（秒）；正在使用的不会",
        between=(1, 604_800),
    )
    free_warn_bytes: int = setting(
        2048 * MIB,
        "Less free space than this is an alert, and the oldest leftovers go first; 0 for never",
        "剩余空间低于该值时告警，并先清理最旧的遗留文件；0 表示关闭",
        between=(0, 1024 * 1024 * MIB),
    )
    free_refuse_bytes: int = setting(
        512 * MIB,
        "An upload that would leave less than this free is answered 507; 0 for never",
        "上传后剩余空间将低于该值时返回 507；0 表示关闭",
        between=(0, 1024 * 1024 * MIB),
    )
