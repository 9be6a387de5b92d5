"""Section `gpu`."""

from __future__ import annotations

from seacod.config.setting import MIB, Section, setting


class GpuSettings(Section, applies="live", chinese="显存监控；没有驱动时关闭，并说明一次"):
    """The watch over GPU memory. Without a driver it is off, and says so once."""

    interval_seconds: float = setting(
        15.0, "Seconds between two readings", "两次读取的间隔（秒）", between=(0.1, 3_600)
    )
    limit_ratio: float = setting(
        0.9,
        "GPU memory in use above this share of all of it is too much",
        "显存占用超过该比例即视为过高",
        between=(0.05, 1),
    )
    limit_bytes: int = setting(
        0,
        "GPU memory in use above so many bytes is too much as well (12348030976 is 11.5 GiB of a "
        "12 GiB card); 0: only the share counts",
        "显存占用超过该字节数同样视为过高（12348030976 为 12 GiB 显存中的 11.5 GiB）；"
        "0 表示只按比例",
        between=(0, 1024 * 1024 * MIB),
    )
    clear_margin_ratio: float = setting(
        0.05,
        "It is over when the use has fallen this share below the limit",
        "低于上限该比例后才视为恢复（滞回）",
        between=(0, 0.9),
    )
    readings: int = setting(
        3,
        "So many readings in a row before anything is done, and before each further step: raise an "
        "alert, release the cache, replace the worker. Memory of other programs only raises it",
        "连续多少次读数过高才采取下一步：告警、释放缓存、更换识别进程；其他程序占用的显存只告警",
        between=(1, 1_000),
    )
