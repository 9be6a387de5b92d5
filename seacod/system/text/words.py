"""Sentences that exist twice, in English and Chinese, so that nobody is told half in one language
and half in the other; and in Chinese what the service calls its states, the causes of ends, and
what the operating system says. For whoever says something to people; logs are in English."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

# English and Chinese.
Words = tuple[str, str]
NOTHING: Words = ("", "")


class WrongValue(ValueError):
    """A value that a setting cannot have.

    Args:
        english: what is wrong, and what would be right.
        chinese: the same.
    """

    def __init__(self, english: str, chinese: str) -> None:
        super().__init__(english)
        self.words: Words = (english, chinese)


def joined(several: Iterable[Words]) -> Words:
    """Several sentences in one line, each once."""
    both = list(dict.fromkeys(several))
    return "; ".join(en for en, _ in both if en), "；".join(zh for _, zh in both if zh)


STATES = {
    "absent": "没有识别进程",
    "starting": "正在启动",
    "serving": "正在服务",
    "draining": "正在处理完剩余请求",
    "stopping": "正在停止",
    "stuck": "无法结束",
    "ended": "已退出",
    "backing_off": "已退出，等待再次启动",
    "crash_looping": "反复启动失败，缓慢重试",
    "not_running": "没有运行",
    "not serving": "未在服务",
    "unreachable": "无法连接",
    "unknown": "未知",
    "loading": "正在加载",
    "ready": "就绪",
}

# errno(3); what is not here is told by its name, which is of no language.
_OS_ERRORS = {
    errno.EACCES: "权限不足",
    errno.EADDRINUSE: "地址已被占用",
    errno.EADDRNOTAVAIL: "不是本机的地址",
    errno.EAFNOSUPPORT: "不支持该地址类型",
    errno.EAGAIN: "资源暂时不可用",
    errno.EBADF: "文件描述符无效",
    errno.EBUSY: "设备或资源正忙",
    errno.ECONNABORTED: "连接被中止",
    errno.ECONNREFUSED: "连接被拒绝",
    errno.ECONNRESET: "连接被对方重置",
    errno.EDQUOT: "超出磁盘配额",
    errno.EEXIST: "已经存在",
    errno.EFBIG: "文件过大",
    errno.EHOSTUNREACH: "无法到达该主机",
    errno.EINVAL: "参数无效",
    errno.EIO: "读写错误",
    errno.EISDIR: "是一个目录",
    errno.ELOOP: "符号链接层数过多",
    errno.EMFILE: "打开的文件过多",
    errno.ENAMETOOLONG: "文件名过长",
    errno.ENETUNREACH: "网络不可达",
    errno.ENFILE: "系统打开的文件过多",
    errno.ENODEV: "没有该设备",
    errno.ENOENT: "没有这个文件或目录",
    errno.ENOMEM: "内存不足",
    errno.ENOSPC: "磁盘已满",
    errno.ENOTDIR: "不是目录",
    errno.ENOTEMPTY: "目录不为空",
    errno.ENXIO: "没有该设备或地址",
    errno.EOPNOTSUPP: "不支持该操作",
    errno.EPERM: "不允许该操作",
    errno.EPIPE: "对方已关闭连接",
    errno.EROFS: "文件系统为只读",
    errno.ESTALE: "网络文件系统的文件已失效",
    errno.ETIMEDOUT: "连接超时",
    errno.ETXTBSY: "文件正在使用",
    errno.EXDEV: "不在同一文件系统",
}

# What SQLite says.
_DATABASE_ERRORS = {
    "database is locked": "数据库被占用",
    "disk I/O error": "磁盘读写错误",
    "database or disk is full": "磁盘已满",
    "file is not a database": "不是数据库文件",
    "database disk image is malformed": "数据库文件已损坏",
    "unable to open database file": "无法打开数据库文件",
    "attempt to write a readonly database": "数据库为只读",
    "no such table": "缺少数据表",
    "no such column": "缺少数据列",
}


def state_in_chinese(state: str) -> str:
    """A state by its Chinese name; one that has none as it is."""
    return STATES.get(state, state)


def reason(error: BaseException) -> Words:
    """Why something went wrong: what the operating system says in both languages; what libraries
    say only in their own, in Chinese by the error's name."""
    if isinstance(error, WrongValue):
        return error.words
    name = type(error).__name__
    english = str(getattr(error, "strerror", None) or str(error) or name)
    if isinstance(error, socket.gaierror):
        return english, "无法解析主机名"
    # Errors of ssl have numbers of their own.
    if isinstance(error, OSError) and error.errno is not None and "SSL" not in name:
        return english, _OS_ERRORS.get(error.errno) or errno.errorcode.get(error.errno, name)
    if "Timeout" in name:
        return english, "超时"
    # Libraries wrap what the operating system has said.
    inner = error.__cause__ or error.__context__
    while inner is not None:
        if isinstance(inner, OSError) and inner.errno is not None:
            return english, reason(inner)[1]
        inner = inner.__cause__ or inner.__context__
    said = next((zh for en, zh in _DATABASE_ERRORS.items() if english.startswith(en)), name)
    return english, said
