"""Section `results`."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

from pydantic import field_validator

from seacod.config.setting import MIB, Section, setting
from seacod.system.text.words import WrongValue


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
    recordings: str = setting(
        "",
        "Where big recordings of shared batches lie, so that the database has rows only: "
        "a directory that every node has under this name (/mnt/batches), or s3://BUCKET/PREFIX; of "
        "this fleet alone. Empty: in the database",
        "共享批量任务的大录音存放位置，使数据库只保存记录与结果：所有节点以同一路径挂载的目录"
        "（/mnt/batches），或 s3://BUCKET/PREFIX；只能由这一组节点使用。留空表示存入数据库",
        pattern=r"^(/[^\s]*[^\s/]|s3://[^\s/]+(/[^\s/]+)*)?$",
        form=(
            "a directory such as /mnt/batches, or s3://BUCKET/PREFIX, without / at its end",
            "/mnt/batches 这样的目录，或 s3://BUCKET/PREFIX，结尾不带 /",
        ),
        applies="replace",
    )
    recordings_from_bytes: int = setting(
        4 * MIB,
        "Recordings of so many bytes and more lie there; smaller ones in the database",
        "达到该字节数的录音存放在上述位置，更小的存入数据库",
        between=(1, 1024 * 1024 * MIB),
        applies="replace",
    )
    recordings_access_file: Path | None = setting(
        None,
        "File with the credentials for the object store: lines such as AWS_ACCESS_KEY_ID=..., "
        "AWS_SECRET_ACCESS_KEY=..., AWS_ENDPOINT_URL=... (docs/scale.md, Object stores); what it "
        "does not name is taken from the environment",
        "访问对象存储的凭据文件，每行形如 AWS_ACCESS_KEY_ID=...、AWS_SECRET_ACCESS_KEY=...、"
        "AWS_ENDPOINT_URL=...（见 docs/zh/scale.md“对象存储”）；未写明的取自环境变量",
        credential="recordings-access",
        applies="replace",
    )

    keep_days: float = setting(
        7.0,
        "Days the results of a finished batch are kept",
        "批量任务的结果保留天数",
        between=(0.01, 3_650),
    )
    max_files: int = setting(
        1_000, "Files in one batch", "单个批量任务的文件数上限", between=(1, 100_000)
    )

    max_bytes: int = setting(
        65_536 * MIB,
        "Recordings of batches kept on the disk, of all clients together (68719476736 is 64 GiB); "
        "another batch is answered 507",
        "磁盘上保留的批量录音总字节数上限，所有客户端合计（68719476736 即 64 GiB）；"
        "超出时新任务返回 507",
        between=(1 * MIB, 1024 * 1024 * MIB),
    )
    max_client_bytes: int = setting(
        16_384 * MIB,
        "Of those the recordings of one client (its key, login or address)",
        "单个客户端（密钥、登录名或地址）的批量录音字节数上限",
        between=(1 * MIB, 1024 * 1024 * MIB),
    )
    max_kept_files: int = setting(
        200_000,
        "Files of batches that wait, failed or were canceled, of all clients together; another "
        "batch is answered 507",
        "等待识别、失败或已取消的批量文件总数上限，所有客户端合计；超出时新任务返回 507",
        ge=1,
        le=10_000_000,
    )
    max_client_files: int = setting(
        100_000,
        "Of those the files of one client (its key, login or address)",
        "单个客户端（密钥、登录名或地址）的上述文件数上限",
        ge=1,
        le=10_000_000,
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
