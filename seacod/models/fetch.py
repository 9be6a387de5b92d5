"""Brings a model from ModelScope, whole or not at all.

Used by `seacod model fetch` and by a worker whose model is missing. A download goes into a
directory beside the final one and is moved when it is complete, so half a model is never taken
for one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from seacod.config.asr import AsrSettings
from seacod.config.secrets import read_secret
from seacod.errors import ModelUnavailable
from seacod.models import manifest, registry
from seacod.system.net.proxies import Proxy, proxy_for
from seacod.system.text.words import reason

log = structlog.get_logger(__name__)

_REPORT_SECONDS = 2.0
_HUB = "https://www.modelscope.cn/"

ReportProgress = Callable[[str], None]


def token(settings: AsrSettings) -> str | None:
    """The hub's token for private models, if one is configured."""
    return read_secret(settings, "hub_token_file")


def fetch(
    identifier: str, models_directory: Path, hub_token: str | None, say: ReportProgress
) -> Path:
    """Download one model.

    Args:
        identifier: ModelScope id, `owner/name`.
        models_directory: where models are kept.
        hub_token: for private models.
        say: told every two seconds how far it is.

    Returns:
        Its directory, complete.

    Raises:
        ModelUnavailable: no network, no such model, no space; with what to do.
    """
    final = registry.fetched_directory(models_directory, identifier)
    if registry.is_complete(final):
        return final
    partial = models_directory / ".partial" / identifier.replace("/", "--")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        sizes = _Sizes()
        with _reporting(identifier, partial, sizes, say):
            _download(identifier, partial, hub_token, sizes)
        if not registry.is_complete(partial):
            raise ModelUnavailable(
                f"{identifier} was downloaded but is not a FunASR model (config.yaml or its "
                "weights are missing); check the name",
                f"已下载 {identifier}，但它不是 FunASR 模型，请检查名称",
            )
        manifest.write(partial, identifier)
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
    except OSError as error:
        why, chinese = reason(error)
        raise ModelUnavailable(
            f"{identifier} cannot be stored in {models_directory}: {why}; make "
            "room or set asr.models_directory",
            f"无法将 {identifier} 存入 {models_directory}：{chinese}；"
            "请清理空间或设置 asr.models_directory",
        ) from error
    return final


class _Sizes:
    """How much there is to come: of the files that were begun so far, which after a moment are all
    that are big."""

    def __init__(self) -> None:
        self._of_file: dict[str, int] = {}

    @property
    def total_bytes(self) -> int:
        return sum(self._of_file.copy().values())

    def of_file(self) -> type[Any]:
        """What the hub's client makes of each file: it is told its size."""
        from modelscope_hub import ProgressCallback

        known = self._of_file

        class Noted(ProgressCallback):
            def __init__(self, filename: str, file_size: int) -> None:
                super().__init__(filename, file_size)
                known[filename] = max(0, file_size)

        return Noted


def _download(identifier: str, directory: Path, hub_token: str | None, sizes: _Sizes) -> None:
    """ModelScope's own client does the work: it resumes and checks hashes."""
    proxy = proxy_for(_HUB)
    if proxy is not None and (problem := proxy.problem) and not _may_try(proxy):
        raise ModelUnavailable(
            f"{identifier} cannot be fetched from ModelScope: {problem[0]}",
            f"无法从 ModelScope 下载 {identifier}：{problem[1]}",
        )
    if hub_token:
        os.environ["MODELSCOPE_API_TOKEN"] = hub_token
    try:
        with _silenced():
            # Beside it `modelscope.hub` has one of that name that imports PyTorch.
            from modelscope_hub.compat.snapshot_download import snapshot_download

            snapshot_download(
                identifier,
                local_dir=str(directory),
                token=hub_token,
                progress_callbacks=[sizes.of_file()],
            )
    except OSError as error:
        # requests' connection errors are OSErrors too; a full disk has an errno.
        if getattr(error, "errno", None):
            raise
        raise _not_had(identifier, error) from error
    except Exception as error:
        raise _not_had(identifier, error) from error


def _may_try(proxy: Proxy) -> bool:
    """Whether ModelScope's client can go through a SOCKS proxy: with a library of its own."""
    return proxy.is_socks and importlib.util.find_spec("socks") is not None


def _not_had(identifier: str, error: Exception) -> ModelUnavailable:
    """One sentence for whatever ModelScope's client raised."""
    name = type(error).__name__
    log.debug("model_not_fetched", model=identifier, error=f"{name}: {error}")
    status = _http_status(error)
    if status == 404:
        return ModelUnavailable(
            f"ModelScope has no model {identifier}; check the name (a private one needs "
            "asr.hub_token_file)",
            f"ModelScope 上没有模型 {identifier}，请检查名称（私有模型需设置 asr.hub_token_file）",
        )
    if status in (401, 403):
        return ModelUnavailable(
            f"ModelScope refuses {identifier} (HTTP {status}); put a token that may read it into "
            "the file of asr.hub_token_file",
            f"ModelScope 拒绝访问 {identifier}（HTTP {status}）；"
            "请在 asr.hub_token_file 指定的文件中放入有权限的令牌",
        )
    return ModelUnavailable(
        f"{identifier} cannot be fetched from ModelScope ({name}); check this machine's access to "
        "the internet (https_proxy is honoured), or copy the model's directory here and name it in "
        "asr.model; asr.model: builtin needs no download",
        f"无法从 ModelScope 下载 {identifier}（{name}）；请检查网络（支持 https_proxy），或把"
        "模型目录拷贝到本机并填入 asr.model；内置模型 builtin 无需下载",
    )


def _http_status(error: BaseException | None) -> int | None:
    """What the hub answered, wherever in the chain the client keeps it; None if it did not."""
    while error is not None:
        for holder in (error, getattr(error, "response", None)):
            status = getattr(holder, "status_code", None)
            if isinstance(status, int):
                return status
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def _reporting(
    identifier: str, directory: Path, sizes: _Sizes, say: ReportProgress
) -> Iterator[None]:
    """Say how much has arrived, from a thread of its own, while the block runs."""
    done = threading.Event()

    def report() -> None:
        began = time.monotonic()
        while not done.wait(_REPORT_SECONDS):
            arrived = sum(f.stat().st_size for f in directory.rglob("*") if f.is_file())
            say(f"{identifier}: {_how_far(arrived, sizes.total_bytes, time.monotonic() - began)}")

    thread = threading.Thread(target=report, name="seacod-fetch-progress", daemon=True)
    say(identifier)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _how_far(arrived_bytes: int, total_bytes: int, seconds: float) -> str:
    """In figures, which are of no language."""
    speed = f"{arrived_bytes / seconds / 1e6:.1f} MB/s"
    if arrived_bytes > total_bytes:
        return f"{arrived_bytes / 1e6:.0f} MB, {speed}"
    share = arrived_bytes / total_bytes if total_bytes else 0.0
    return f"{arrived_bytes / 1e6:.0f} / {total_bytes / 1e6:.0f} MB, {share:.0%}, {speed}"


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Suppress ModelScope's own bars and warnings, which say less than ours."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            yield
