"""Section `paths`."""

from __future__ import annotations

from pathlib import Path

from seacod.config.setting import Section, setting


class PathSettings(
    Section,
    applies="restart",
    chinese="目录；留空表示 systemd 给予服务单元的目录，没有时在用户主目录下",
):
    """Directories. Empty: what systemd gives the unit, else a place under the user's home."""

    state_directory: Path | None = setting(
        None,
        "Results and fetched models (systemd: /var/lib/seacod)",
        "结果与模型（systemd 下为 /var/lib/seacod）",
    )
    runtime_directory: Path | None = setting(
        None,
        "Status socket and metrics files (systemd: /run/seacod)",
        "状态套接字与指标文件（systemd 下为 /run/seacod）",
    )
    temp_directory: Path | None = setting(
        None,
        "Uploads while they are being worked on; empty: uploads/ in the state directory",
        "处理中的上传文件；留空表示状态目录下的 uploads/",
    )
