"""Section `results`."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

from pydantic import field_validator

from seacod.config.setting import MIB, Section, setting
from seacod.system.words import WrongValue


class ResultSettings(Section, applies="live", chinese="批量任务：受理之后，经历崩溃与重启也会完成"):
    """Batch jobs: accepted ones are finished across crashes and restarts."""

    database: str = setting(
        "",
        "Where several servers share their jobs, so that one finishes what another has accepted: "
        "postgresql://USER@HOST/DATABASE. Empty: SQLite in the state directory, for this one",
        "多台服务器共享批量任务时的 PostgreSQL 地址 postgresql://USER@HOST/DATABASE，"
        "一台接收的任务可由另一台完成；留空表示本机状态目录中的 SQLite",
        pattern=r"^(postgresql://[^\s]+)?$",
        form=(
            "an address such as postgresql://USER@HOST/DATABASE",
            "postgresql://USER@HOST/DATABASE 这样的地址",
        ),
        applies="replace",
    )
    database_password_file: Path | None = setting(
        None,
        "File with the password of the database",
        "数据库密码文件",
        credential="database-password",
        applies="replace",
    )

    keep_days: float = setting(
        7.0,
        "Days the results of a finished batch are kept",
        "批量任务的结果保留天数",
        ge=0.01,
        le=3_650,
    )
    max_files: int = setting(
        1_000, "Files in one batch", "单个批量任务的文件数上限", ge=1, le=100_000
    )

    max_bytes: int = setting(
        65_536 * MIB,
        "Recordings of batches kept on the disk, of all clients together (68719476736 is 64 GiB); "
        "another batch is answered 507",
        "磁盘上保留的批量录音总字节数上限，所有客户端合计（68719476736 即 64 GiB）；"
        "超出时新任务返回 507",
        ge=1 * MIB,
        le=1024 * 1024 * MIB,
    )
    max_client_bytes: int = setting(
        16_384 * MIB,
        "Of those the recordings of one client (its key, login or address)",
        "单个客户端（密钥、登录名或地址）的批量录音字节数上限",
        ge=1 * MIB,
        le=1024 * 1024 * MIB,
    )

    @field_validator("database")
    @classmethod
    def _without_password(cls, value: str) -> str:
        # What stands before the host of an address is who logs in; libpq takes a password among
        # the parameters, too (password, sslpassword).
        login = value.partition("://")[2].rpartition("@")[0]
        parameters = urllib.parse.parse_qsl(
            value.partition("?")[2].replace(";", "&"), keep_blank_values=True
        )
        if ":" in login or any("password" in name.lower() for name, _ in parameters):
            raise WrongValue(
                "must not hold the password; put it into the file named by "
                "results.database_password_file",
                "不能包含密码；请写入 results.database_password_file 指定的文件",
            )
        return value
