"""Every error a person can meet: what it says, its HTTP status and its exit code.

Raised anywhere, turned into words at the edge only (`main.py`, `web/`). A message is one
sentence that says what is wrong, where, which limit applies and what to do. Nothing here knows
about HTTP libraries or the terminal.
"""

from __future__ import annotations

from typing import ClassVar

# sysexits.h: what systemd and scripts expect of a daemon.
EX_OK = 0
EX_FAILURE = 1
EX_USAGE = 64
EX_UNAVAILABLE = 69
EX_SOFTWARE = 70
EX_OSERR = 71
EX_CANTCREAT = 73
EX_CONFIG = 78
# What a shell reports for a program ended by SIGINT.
EX_INTERRUPTED = 130


class SeacodError(Exception):
    """The root of all errors that have a sentence for people.

    Args:
        message: one English sentence for people.
        chinese: the same sentence in Chinese.
        retry_after_seconds: when trying again makes sense, if known.

    `class TooBig(SeacodError, code="too_big", status=413)` says what differs from its base.
    """

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = EX_FAILURE

    def __init_subclass__(
        cls, code: str | None = None, status: int | None = None, exit_code: int | None = None
    ) -> None:
        super().__init_subclass__()
        # Only what is given: whether a class has a status of its own is asked (metrics/worker.py).
        for name, value in (("code", code), ("http_status", status), ("exit_code", exit_code)):
            if value is not None:
                setattr(cls, name, value)

    def __init__(
        self, message: str, chinese: str, *, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.chinese = chinese
        self.retry_after_seconds = retry_after_seconds

    @property
    def words(self) -> tuple[str, str]:
        """The sentence in English and Chinese."""
        return self.message, self.chinese

    def sentence(self, language: str) -> str:
        """The sentence in the reader's language: Chinese for `zh...`, English otherwise."""
        return self.chinese if language.lower().startswith("zh") else self.message


class ConfigError(SeacodError, code="config", exit_code=EX_CONFIG):
    """The configuration cannot be used; restarting will not help."""


class ConfigClosed(ConfigError):
    """The configuration is there, and this user may not read it."""


class ConfigOutOfReach(ConfigError, exit_code=EX_OSERR):
    """A file of the configuration cannot be read for now, by a fault that may pass (an I/O error, a
    network file system): trying again is right."""


class ModelUnavailable(SeacodError, code="model_unavailable", status=503, exit_code=EX_UNAVAILABLE):
    """The model is not on this machine and cannot be fetched, or does not load."""


class NoSpeakerModel(SeacodError, code="no_speaker_model", status=501, exit_code=EX_UNAVAILABLE):
    """Speakers are to be told apart, and there is no model for it on this service."""


class NotSupported(SeacodError, code="not_supported", status=501):
    """Clients know how to ask for it, and this service does not do it."""


class AnotherService(SeacodError, code="another_service", exit_code=EX_OSERR):
    """A directory that one service alone may have is another one's, which may end: trying again is
    right."""


class AddressInUse(SeacodError, code="address_in_use", exit_code=EX_OSERR):
    """The address to listen on belongs to another program."""


class AddressNotThere(SeacodError, code="address_not_there", exit_code=EX_OSERR):
    """The address to listen on is not this machine's for now, or nobody knows its name: a
    network, a name server or a virtual address may come late, so trying again is right."""


class NotRunning(SeacodError, code="not_running", exit_code=EX_UNAVAILABLE):
    """No running service answers where one was asked for."""


class NotAllowed(NotRunning):
    """A service runs, and this user may not ask it."""


class NotConfirmed(SeacodError, code="not_confirmed", exit_code=EX_USAGE):
    """What was asked for does harm on purpose, and nobody said that it may."""


class ProtocolError(SeacodError, code="protocol", exit_code=EX_SOFTWARE):
    """A line on the control channel is not a message of the protocol. For the log only, which is in
    English."""

    def __init__(self, message: str) -> None:
        super().__init__(message, message)


class BadRequest(SeacodError, code="bad_request", status=400):
    """A request that lacks something or has something that cannot be used."""


class BadPort(BadRequest, exit_code=2):
    """An address was named, on a command line or in code, whose port no machine has."""


class Unauthorized(SeacodError, code="unauthorized", status=401):
    """The request has no key or login, or not the right one."""


class TooManyLogins(SeacodError, code="too_many_logins", status=429):
    """Too many wrong passwords came from there, or for that name."""


class QuotaUsed(SeacodError, code="quota_used", status=429):
    """A client has used what it may for now."""


class RecordingLost(SeacodError, code="recording_lost", status=410):
    """The recording of a batch was removed before it was heard."""


class RecordingUnreadable(SeacodError, code="recording_unreadable", status=500):
    """The recording of a batch is there and cannot be read, though what lies beside it can."""


class StoredByNewer(SeacodError, code="stored_by_newer", status=503, exit_code=EX_CONFIG):
    """A file of the state directory was made by a newer version."""

    @classmethod
    def of(cls, where: object, found: int, known: int) -> StoredByNewer:
        """
        Args:
            where: the file, or what else holds it.
            found: its version.
            known: the newest that this program knows.
        """
        return cls(
            f"{where} was made by a newer version of seacod (format {found}, this one knows "
            f"{known}); use that version, or move it away",
            f"{where} 由更新版本的 seacod 创建（格式 {found}，当前版本仅支持 {known}）；"
            "请使用该版本，或将其移走",
        )


class ForeignPage(SeacodError, code="foreign_page", status=403):
    """A page of another site asks for something that only our own may."""


class WrongHost(SeacodError, code="wrong_host", status=421):
    """The request is for a name that the service does not have."""


class Poisonous(SeacodError, code="poison", status=422):
    """A recording that was with the model each time when it broke down."""


class NotFound(SeacodError, code="not_found", status=404):
    """There is no such job, model or result."""


class Conflict(SeacodError, code="conflict", status=409):
    """What was asked for is not possible in the present state."""


class KeyReused(SeacodError, code="idempotency_key_reused", status=422):
    """An Idempotency-Key came before, with something else."""


class OutgoingError(SeacodError):
    """The service was asked to connect to an address, and did not or could not."""


class HostNotAllowed(OutgoingError, code="host_not_allowed", status=403):
    """The configuration does not name the host, or its address is one that it may not have."""


class SourceUnreachable(OutgoingError, code="source_unreachable", status=502):
    """What was to be there could not be had from the address."""


class SourceTooSlow(OutgoingError, code="source_too_slow", status=504):
    """It did not come within the time for it."""


class BadAudio(SeacodError, code="bad_audio", status=415):
    """The upload is not audio that can be decoded."""


class EmptyAudio(SeacodError, code="empty_audio", status=400):
    """The upload is empty, or holds no sound."""


class TooLong(SeacodError, code="too_long", status=413):
    """The recording is longer than the limit."""


class TooBig(SeacodError, code="too_big", status=413):
    """The file is bigger than the limit."""


class QueueFull(SeacodError, code="queue_full", status=503):
    """The queue in front of the model is full; the client should come back."""


class ResourcesExhausted(SeacodError, code="busy", status=503):
    """The service has too little memory or too few descriptors for more work at present."""


class NotReady(SeacodError, code="not_ready", status=503):
    """The model is not loaded yet, or is on its way out."""


class PlaceUnusable(NotReady):
    """Where recordings of batches lie outside the database cannot be used at present."""


class Paused(NotReady, code="paused", status=503):
    """The service takes nothing new for a while, because an operator said so."""


# What nginx logs for this case; no status of the standard fits.
class ClientGone(SeacodError, code="canceled", status=499):
    """The client closed the connection; the answer reaches nobody."""


class DeadlineExceeded(SeacodError, code="deadline_exceeded", status=504):
    """The request was not finished within its deadline."""


class OutOfMemory(SeacodError, code="out_of_memory", status=507):
    """One segment alone does not fit into the memory of the device."""


class StorageFull(SeacodError, code="storage_full", status=507):
    """There is no room on the disk for an upload, or too little would be left."""


class QuotaExceeded(SeacodError, code="quota_exceeded", status=507):
    """As much of batches is kept as may be, of one client or of all."""

    @classmethod
    def of_client(cls, kept_bytes: int, limit_bytes: int) -> QuotaExceeded:
        """One client has too much.

        Args:
            kept_bytes: of its recordings.
            limit_bytes: how much it may have.
        """
        return cls(
            f"with this batch, more than {limit_bytes >> 20} MiB of your recordings would be kept, "
            f"which is the limit ({kept_bytes >> 20} MiB are); wait until some are done, or delete "
            "jobs that are over: DELETE /jobs/ID",
            f"加上本批次，您保留的录音将超过 {limit_bytes >> 20} MiB 的上限（当前 "
            f"{kept_bytes >> 20} MiB）；请等待任务完成，或删除已结束的任务：DELETE /jobs/编号",
        )

    @classmethod
    def of_all(cls, limit_bytes: int) -> QuotaExceeded:
        """All clients together have too much.

        Args:
            limit_bytes: how much they may have.
        """
        return cls(
            f"with this batch, the service would keep more than {limit_bytes >> 20} MiB of "
            "recordings, which is its limit; try again when others are done",
            f"加上本批次，服务保留的录音将超过 {limit_bytes >> 20} MiB 的上限，请稍后重试",
        )

    @classmethod
    def files_of_client(cls, kept: int, limit: int) -> QuotaExceeded:
        """One client has too many files.

        Args:
            kept: how many it has.
            limit: how many it may have.
        """
        return cls(
            f"with this batch, more than {limit:,} files of yours would wait or be kept without "
            f"text, which is the limit ({kept:,} are); wait until some are done, or delete jobs "
            "that are over: DELETE /jobs/ID",
            f"加上本批次，您等待识别或未得出文字的文件将超过 {limit:,} 个的上限"
            f"（当前 {kept:,} 个）；请等待任务完成，或删除已结束的任务：DELETE /jobs/编号",
        )

    @classmethod
    def files_of_all(cls, limit: int) -> QuotaExceeded:
        """All clients together have too many files.

        Args:
            limit: how many they may have.
        """
        return cls(
            f"with this batch, more than {limit:,} files of all clients would wait or be kept "
            "without text, which is the limit; try again when others are done",
            f"加上本批次，所有客户端等待识别或未得出文字的文件将超过 {limit:,} 个的上限，"
            "请稍后重试",
        )


class CannotRead(SeacodError, code="cannot_read"):
    """A file of ours cannot be read by whoever asks."""


class CannotWrite(SeacodError, code="cannot_write", exit_code=EX_CANTCREAT):
    """A directory of ours cannot be written to; that may be mended, so trying again is right."""


class StoreHasNoRoom(CannotWrite):
    """An object store takes nothing more until somebody makes room there."""


class PageNotDrawn(SeacodError, code="page_not_drawn", exit_code=EX_SOFTWARE):
    """The process that draws the page gave none."""

    @classmethod
    def because(cls, cause: str, chinese: str) -> PageNotDrawn:
        """
        Args:
            cause: how it ended, or why it did not begin.
            chinese: the same.
        """
        return cls(
            f"the page could not be drawn: {cause}; what Gradio said is in the log before this "
            "(server.page: off serves the API without a page)",
            f"网页生成失败：{chinese}；Gradio 的输出见此前的日志（server.page: off 可只提供 API）",
        )


class InferenceFailed(SeacodError, code="inference_failed", status=500):
    """The model raised an unexpected error; the log has the details."""

    @classmethod
    def unforeseen(cls) -> InferenceFailed:
        """The sentence for people when the error itself would tell them nothing."""
        return cls(
            "something went wrong on our side; the log of the service has the details",
            "服务内部出错，详情见服务日志",
        )
