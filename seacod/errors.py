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
    """

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = EX_FAILURE

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


class ConfigError(SeacodError):
    """The configuration cannot be used; restarting will not help."""

    code = "config"
    exit_code = EX_CONFIG


class ConfigClosed(ConfigError):
    """The configuration is there, and this user may not read it."""


class ConfigOutOfReach(ConfigError):
    """A file of the configuration cannot be read for now, by a fault that may pass (an I/O error, a
    network file system): trying again is right."""

    exit_code = EX_OSERR


class ModelUnavailable(SeacodError):
    """The model is not on this machine and cannot be fetched, or does not load."""

    code = "model_unavailable"
    http_status = 503
    exit_code = EX_UNAVAILABLE


class NoSpeakerModel(SeacodError):
    """Speakers are to be told apart, and there is no model for it on this service."""

    code = "no_speaker_model"
    http_status = 501
    exit_code = EX_UNAVAILABLE


class NotSupported(SeacodError):
    """Clients know how to ask for it, and this service does not do it."""

    code = "not_supported"
    http_status = 501


class AddressInUse(SeacodError):
    """The address to listen on belongs to another program."""

    code = "address_in_use"
    exit_code = EX_OSERR


class AddressNotThere(SeacodError):
    """The address to listen on is not this machine's for now, or nobody knows its name: a
    network, a name server or a virtual address may come late, so trying again is right."""

    code = "address_not_there"
    exit_code = EX_OSERR


class NotRunning(SeacodError):
    """No running service answers where one was asked for."""

    code = "not_running"
    exit_code = EX_UNAVAILABLE


class NotAllowed(NotRunning):
    """A service runs, and this user may not ask it."""


class NotConfirmed(SeacodError):
    """What was asked for does harm on purpose, and nobody said that it may."""

    code = "not_confirmed"
    exit_code = EX_USAGE


class ProtocolError(SeacodError):
    """A line on the control channel is not a message of the protocol. For the log only, which is in
    English."""

    code = "protocol"
    exit_code = EX_SOFTWARE

    def __init__(self, message: str) -> None:
        super().__init__(message, message)


class BadRequest(SeacodError):
    """A request that lacks something or has something that cannot be used."""

    code = "bad_request"
    http_status = 400


class Unauthorized(SeacodError):
    """The request has no key or login, or not the right one."""

    code = "unauthorized"
    http_status = 401


class TooManyLogins(SeacodError):
    """Too many wrong passwords came from there, or for that name."""

    code = "too_many_logins"
    http_status = 429


class QuotaUsed(SeacodError):
    """A client has used what it may for now."""

    code = "quota_used"
    http_status = 429


class RecordingLost(SeacodError):
    """The recording of a batch was removed before it was heard."""

    code = "recording_lost"
    http_status = 410


class RecordingUnreadable(SeacodError):
    """The recording of a batch is there and cannot be read, though what lies beside it can."""

    code = "recording_unreadable"
    http_status = 500


class StoredByNewer(SeacodError):
    """A file of the state directory was made by a newer version."""

    code = "stored_by_newer"
    http_status = 503
    exit_code = EX_CONFIG

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


class ForeignPage(SeacodError):
    """A page of another site asks for something that only our own may."""

    code = "foreign_page"
    http_status = 403


class WrongHost(SeacodError):
    """The request is for a name that the service does not have."""

    code = "wrong_host"
    http_status = 421


class Poisonous(SeacodError):
    """A recording that was with the model each time when it broke down."""

    code = "poison"
    http_status = 422


class NotFound(SeacodError):
    """There is no such job, model or result."""

    code = "not_found"
    http_status = 404


class Conflict(SeacodError):
    """What was asked for is not possible in the present state."""

    code = "conflict"
    http_status = 409


class KeyReused(SeacodError):
    """An Idempotency-Key came before, with something else."""

    code = "idempotency_key_reused"
    http_status = 422


class OutgoingError(SeacodError):
    """The service was asked to connect to an address, and did not or could not."""


class HostNotAllowed(OutgoingError):
    """The configuration does not name the host, or its address is one that it may not have."""

    code = "host_not_allowed"
    http_status = 403


class SourceUnreachable(OutgoingError):
    """What was to be there could not be had from the address."""

    code = "source_unreachable"
    http_status = 502


class SourceTooSlow(OutgoingError):
    """It did not come within the time for it."""

    code = "source_too_slow"
    http_status = 504


class BadAudio(SeacodError):
    """The upload is not audio that can be decoded."""

    code = "bad_audio"
    http_status = 415


class EmptyAudio(SeacodError):
    """The upload is empty, or holds no sound."""

    code = "empty_audio"
    http_status = 400


class TooLong(SeacodError):
    """The recording is longer than the limit."""

    code = "too_long"
    http_status = 413


class TooBig(SeacodError):
    """The file is bigger than the limit."""

    code = "too_big"
    http_status = 413


class QueueFull(SeacodError):
    """The queue in front of the model is full; the client should come back."""

    code = "queue_full"
    http_status = 503


class Busy(SeacodError):
    """The service has too little memory or too few descriptors for more work at present."""

    code = "busy"
    http_status = 503


class NotReady(SeacodError):
    """The model is not loaded yet, or is on its way out."""

    code = "not_ready"
    http_status = 503


class PlaceUnusable(NotReady):
    """Where recordings of batches lie outside the database cannot be used at present."""


class Paused(NotReady):
    """The service takes nothing new for a while, because an operator said so."""

    code = "paused"
    http_status = 503


class ClientGone(SeacodError):
    """The client closed the connection; the answer reaches nobody."""

    code = "canceled"
    # What nginx logs for this case; no status of the standard fits.
    http_status = 499


class DeadlineExceeded(SeacodError):
    """The request was not finished within its deadline."""

    code = "deadline_exceeded"
    http_status = 504


class OutOfMemory(SeacodError):
    """One segment alone does not fit into the memory of the device."""

    code = "out_of_memory"
    http_status = 507


class StorageFull(SeacodError):
    """There is no room on the disk for an upload, or too little would be left."""

    code = "storage_full"
    http_status = 507


class QuotaExceeded(SeacodError):
    """As much of batches is kept as may be, of one client or of all."""

    code = "quota_exceeded"
    http_status = 507

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


class CannotRead(SeacodError):
    """A file of ours cannot be read by whoever asks."""

    code = "cannot_read"


class CannotWrite(SeacodError):
    """A directory of ours cannot be written to; that may be mended, so trying again is right."""

    code = "cannot_write"
    exit_code = EX_CANTCREAT


class StoreHasNoRoom(CannotWrite):
    """An object store takes nothing more until somebody makes room there."""


class InferenceFailed(SeacodError):
    """The model raised an unexpected error; the log has the details."""

    code = "inference_failed"
    http_status = 500

    @classmethod
    def unforeseen(cls) -> InferenceFailed:
        """The sentence for people when the error itself would tell them nothing."""
        return cls(
            "something went wrong on our side; the log of the service has the details",
            "服务内部出错，详情见服务日志",
        )
