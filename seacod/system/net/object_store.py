"""S3: Amazon's, and whatever speaks its protocol (MinIO, Ceph, OSS). Used by `remote_files.py`.

Where it is and who asks is in the variables that Amazon's own tools read, those of whoever typed
the command; the engines, which may be on other machines, are given them. `~/.aws` is not read.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from seacod.errors import BadRequest, CannotWrite, NotFound, StoreHasNoRoom
from seacod.system.net.listen_address import check_port
from seacod.system.text.words import Words, reason

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Store

_CHUNK_BYTES = 1 << 20
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
# By variable, what obstore calls it.
_CONFIG = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_REGION": "region",
    "AWS_DEFAULT_REGION": "default_region",
    "AWS_SKIP_SIGNATURE": "skip_signature",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "virtual_hosted_style_request",
    "AWS_REQUEST_PAYER": "request_payer",
    "AWS_METADATA_ENDPOINT": "metadata_endpoint",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "container_credentials_relative_uri",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "container_credentials_full_uri",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "container_authorization_token_file",
    "AWS_ROLE_ARN": "role_arn",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "web_identity_token_file",
}
# Each is a way to be somebody; without any a machine at Amazon would be asked for, anywhere.
_IDENTITIES = (
    "AWS_SKIP_SIGNATURE", "AWS_METADATA_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE",
)  # fmt: skip
# A store that restarts is waited for; one that is not there is told soon.
_TRIES = 5
RETRY_SECONDS = 60.0
_CONNECT_SECONDS = 5
_SILENCE_SECONDS = 60
# A file that comes in pieces takes so much memory: the parts of a multipart upload, S3's least is 5
# MiB, its most are 10,000.
_PART_BYTES = 8 << 20
_PARTS_AT_ONCE = 2
_REFUSALS = (
    "AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch",
)  # fmt: skip
_IN_XML = re.compile(r"<(Code|Message)>([^<]*)</")
# As AWS's outposts, MinIO and Ceph say it, and HTTP.
_NO_ROOM = ("InsufficientCapacity", "StorageFull", "QuotaExceeded")
_NO_ROOM_STATUS = re.compile(r"status code: 507\b")


def access(environment: Mapping[str, str], endpoint: str = "") -> dict[str, str]:
    """What is needed to reach a store, by the names of the variables.

    Args:
        environment: of whoever typed the command.
        endpoint: address of a store that is not Amazon's; else the environment's.

    Raises:
        BadRequest: the address is none.
    """
    found = {name: environment[name] for name in _CONFIG if environment.get(name)}
    if bundle := environment.get("AWS_CA_BUNDLE"):
        found["AWS_CA_BUNDLE"] = bundle
    named = {"--s3-endpoint": endpoint, **{one: environment.get(one, "") for one in _ENDPOINTS}}
    source = next((name for name, address in named.items() if address), None)
    if source is None:
        return found
    address = named[source]
    if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc:
        raise BadRequest(
            f"{source}: {address!r} is not an address such as https://minio.example.com:9000",
            f"{source}：{address!r} 不是有效地址，应形如 https://minio.example.com:9000",
        )
    check_port(address, source)
    found["AWS_ENDPOINT_URL"] = address
    return found


_LISTED: Words = ("cannot be listed", "无法列出")
_READ: Words = ("cannot be read", "无法读取")
_WRITTEN: Words = ("cannot be written", "无法写入")
_DELETED: Words = ("cannot be deleted", "无法删除")
_USED: Words = ("cannot be used", "无法使用")


class S3:
    """Objects, by address: `s3://BUCKET/KEY`. Raises as `remote_files.Store` says.

    Args:
        variables: see `access`.
        retry_seconds: how long a store that fails is asked again.
    """

    def __init__(self, variables: Mapping[str, str], retry_seconds: float = RETRY_SECONDS) -> None:
        self._variables = variables
        self._retry_seconds = retry_seconds
        self._buckets: dict[str, S3Store] = {}

    def find(self, url: str) -> Iterator[tuple[str, str, int | None]]:
        """The object at an address, or all below it: place, address and size in bytes."""
        store, bucket, key = self._at(url)
        try:
            if key and not url.endswith("/"):
                try:
                    yield posixpath.basename(key), url, int(store.head(key)["size"])
                    return
                except FileNotFoundError:
                    # Nothing of this name, so what is below it.
                    pass
            for some in store.list(key or None):
                for one in some:
                    place = one["path"].removeprefix(f"{key}/") if key else one["path"]
                    yield place, f"s3://{bucket}/{one['path']}", int(one["size"])
        except _failures() as error:
            raise BadRequest(*self._sentence(url, error, _LISTED)) from None

    def chunks(self, url: str) -> Iterator[bytes]:
        store, _, key = self._at(url)
        try:
            for piece in store.get(key).stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(piece)
        except _failures() as error:
            if isinstance(error, FileNotFoundError) and _code(error) != "NoSuchBucket":
                raise NotFound(*self._sentence(url, error, _READ)) from None
            raise BadRequest(*self._sentence(url, error, _READ)) from None

    def write(self, url: str, content: bytes) -> None:
        store, _, key = self._at(url)
        try:
            store.put(key, content)
        except _failures() as error:
            raise self._not_written(url, error) from None

    def write_chunks(self, url: str, chunks: Iterable[bytes]) -> None:
        store, _, key = self._at(url)
        try:
            store.put(
                key, iter(chunks), use_multipart=True, chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )  # fmt: skip
        except _failures() as error:
            raise self._not_written(url, error) from None

    def delete(self, url: str) -> None:
        store, _, key = self._at(url)
        try:
            store.delete(key)
        except _failures() as error:
            # A bucket that is not there is none from which something was deleted.
            if isinstance(error, FileNotFoundError) and _code(error) == "NoSuchKey":
                return
            raise CannotWrite(*self._sentence(url, error, _DELETED)) from None

    def exists(self, url: str) -> bool:
        store, _, key = self._at(url)
        try:
            store.head(key)
        except FileNotFoundError:
            return False
        except _failures() as error:
            raise BadRequest(*self._sentence(url, error, _READ)) from None
        return True

    def _at(self, url: str) -> tuple[S3Store, str, str]:
        """The bucket of an address, its name, and the key."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        if not bucket:
            raise BadRequest(
                f"{url}: an address in an object store is s3://BUCKET/KEY",
                f"{url}：对象存储的地址格式为 s3://BUCKET/KEY",
            )
        if bucket not in self._buckets:
            self._buckets[bucket] = self._open(url, bucket)
        return self._buckets[bucket], bucket, key.strip("/")

    def _open(self, url: str, bucket: str) -> S3Store:
        given = self._variables
        has_key = "AWS_ACCESS_KEY_ID" in given and "AWS_SECRET_ACCESS_KEY" in given
        if not has_key and not any(name in given for name in _IDENTITIES):
            raise BadRequest(
                f"{url}: there are no credentials; set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY (AWS_SKIP_SIGNATURE=true for a public bucket)",
                f"{url}：缺少凭据；请设置 AWS_ACCESS_KEY_ID 与 AWS_SECRET_ACCESS_KEY"
                "（公开的存储桶设置 AWS_SKIP_SIGNATURE=true）",
            )
        try:
            from obstore.store import S3Store
        except ImportError:
            raise BadRequest(
                f"{url}: object stores need obstore (pip install obstore in seacod's environment)",
                f"{url}：访问对象存储需要 obstore（在 seacod 的环境中 pip install obstore）",
            ) from None
        config: dict[str, Any] = {
            key: given[name] for name, key in _CONFIG.items() if name in given
        }
        endpoint = given.get("AWS_ENDPOINT_URL", "")
        if endpoint:
            config["endpoint"] = endpoint
        client: ClientConfig = {
            "allow_http": endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=_SILENCE_SECONDS),
        }
        if bundle := given.get("AWS_CA_BUNDLE"):
            try:
                client["root_certificate"] = Path(bundle).read_bytes()
            except OSError as error:
                why, chinese = reason(error)
                raise BadRequest(
                    f"AWS_CA_BUNDLE: {bundle}: {why}", f"AWS_CA_BUNDLE：{bundle}：{chinese}"
                ) from None
        retry: RetryConfig = {
            "max_retries": _TRIES,
            "retry_timeout": timedelta(seconds=self._retry_seconds),
        }
        try:
            return S3Store(bucket, config=config, client_options=client, retry_config=retry)  # type: ignore[arg-type]
        except _failures() as error:
            raise BadRequest(*self._sentence(url, error, _USED)) from None

    def _not_written(self, url: str, error: Exception) -> CannotWrite:
        is_named = any(one in _code(error) for one in _NO_ROOM)
        has_no_room = is_named or _NO_ROOM_STATUS.search(str(error)) is not None
        kind = StoreHasNoRoom if has_no_room else CannotWrite
        return kind(*self._sentence(url, error, _WRITTEN))

    def _sentence(self, url: str, error: Exception, what: Words) -> Words:
        """What a store's answer means for who typed the address."""
        said = str(error)
        xml = dict(_IN_XML.findall(said))
        code = xml.get("Code", "")
        endpoint = self._variables.get("AWS_ENDPOINT_URL", "Amazon S3")
        bucket = url.removeprefix("s3://").partition("/")[0]
        kind = type(error).__name__
        if code == "NoSuchBucket":
            return (
                f"{url}: there is no bucket {bucket} at {endpoint}",
                f"{url}：{endpoint} 上没有存储桶 {bucket}",
            )
        if kind in ("PermissionDeniedError", "UnauthenticatedError") or code in _REFUSALS:
            told = f" ({code}: {xml.get('Message', '')})" if code else ""
            return (
                f"{url}: {endpoint} refuses these credentials{told}; see AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, and what they may do there",
                f"{url}：{endpoint} 拒绝了这些凭据{f'（{code}）' if code else ''}；请检查 "
                "AWS_ACCESS_KEY_ID、AWS_SECRET_ACCESS_KEY、AWS_SESSION_TOKEN、AWS_REGION 及其权限",
            )
        if isinstance(error, FileNotFoundError):
            return f"{url}: there is no such object", f"{url}：没有这个对象"
        if "error sending request" in said:
            return (
                f"{url}: {endpoint} does not answer; see AWS_ENDPOINT_URL or --s3-endpoint, and "
                "whether the network lets it through",
                f"{url}：{endpoint} 没有响应；请检查 AWS_ENDPOINT_URL 或 --s3-endpoint 以及网络",
            )
        if code:
            return (
                f"{url}: {what[0]}: {code}: {xml.get('Message', '')}",
                f"{url}：{what[1]}：{code}",
            )
        first = said.splitlines()[0] if said else kind
        return f"{url}: {what[0]}: {first}", f"{url}：{what[1]}：{reason(error)[1]}"


def _code(error: Exception) -> str:
    """What a store calls it; empty where it does not say."""
    return str(dict(_IN_XML.findall(str(error))).get("Code", ""))


def _failures() -> tuple[type[Exception], ...]:
    from obstore.exceptions import BaseError

    return (BaseError, OSError, ValueError)
