"""Items: does the service answer, where, to whom."""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Iterator
from typing import Any, TypeAlias

import psutil

from seacod.asr.replacements import current as replacements
from seacod.client import NEVER, BrokenOff, Client, Refused, Unreachable
from seacod.proving.checks.context import CheckContext
from seacod.proving.checks.item import Finding, Unseen, fail, ok, warn, worst
from seacod.system.net.listen_address import ListenAddress, bracketed, parse
from seacod.system.text.terminal import ago
from seacod.system.text.words import Words, joined, state_in_chinese

# The addresses of one name, any of which will do.
Places: TypeAlias = frozenset[tuple[str, int]]

# A scrape older than this is none: Prometheus asks every 15 s, or every minute.
_SCRAPED_SECONDS = 300.0
# So many lines of a file are named.
_NAMED = 3
_RESTART: Words = (
    "systemctl restart seacod applies the configured address",
    "systemctl restart seacod 使配置的地址生效",
)
_START_AGAIN: Words = (
    "end seacod run and start it again: it takes the configured address then",
    "结束 seacod run 并重新启动，配置的地址才会生效",
)
_JOURNAL: Words = (
    "journalctl -u seacod -p warning says why", "查看 journalctl -u seacod -p warning 了解原因"
)  # fmt: skip


def configuration(context: CheckContext) -> Finding:
    """The file can be used."""
    if context.is_config_closed:
        context.settings  # noqa: B018 - says so
    if context.config_error is not None:
        return fail(
            (context.config_error.message, context.config_error.chinese),
            ("correct the line named; seacod config check says when the file is valid",
             "请修改所指出的行；用 seacod config check 检查"),
        )  # fmt: skip
    wrong = [words for _, words in replacements.problems(context.settings)]
    if wrong:
        told, chinese = joined([*wrong[:_NAMED], *[("...", "……")][: len(wrong) > _NAMED]])
        return warn(
            (f"asr.replacements_file: {told}", f"asr.replacements_file：{chinese}"),
            ("correct the lines named; the other rules apply, and a change counts at once",
             "请修改所指出的行；其余规则照常生效，修改后立即起效"),
        )  # fmt: skip
    file = context.config_file
    return ok(f"{file or 'defaults'}: good", f"{file or '内置默认值'}：正确")


def service(context: CheckContext) -> Finding:
    """It answers, and its model does."""
    if context.open_url is not None:
        seen = context.system()
        return ok(
            f"{seen.model} on {seen.device} answers at {context.url}; sudo seacod check sees more",
            f"{context.url} 由 {seen.model}（{seen.device}）应答；sudo seacod check 可查看更多",
        )
    if context.no_service is not None:
        return fail(
            (context.no_service.message, context.no_service.chinese),
            ("systemctl start seacod; " + _JOURNAL[0], "systemctl start seacod；" + _JOURNAL[1]),
        )
    told = context.status
    state, worker = told["state"], told["worker"]
    if state != "serving":
        long, long_zh = ago(worker["since"])
        judge = fail if state in ("backing_off", "crash_looping", "absent") else warn
        return judge((f"{state} for {long}", f"{state_in_chinese(state)}，已 {long_zh}"), _JOURNAL)
    if (pause := told["pause"]) is not None:
        return _paused(pause)
    restarts = told["restarts"]["count"]
    serving = sum(one["state"] == "serving" for one in told["workers"])
    if serving < len(told["workers"]):
        return warn(
            (f"only {serving} of {len(told['workers'])} workers serve",
             f"{len(told['workers'])} 个识别进程中仅有 {serving} 个在服务"),
            ("seacod runbook SeacodWorkersMissing", "见 seacod runbook SeacodWorkersMissing"),
        )  # fmt: skip
    return ok(
        f"serving for {ago(worker['since'])[0]}, {worker['model']} on {worker['device']}, "
        f"{restarts} restarts since it began",
        f"已服务 {ago(worker['since'])[1]}，模型 {worker['model']}（{worker['device']}），"
        f"累计重启 {restarts} 次",
    )


def _paused(pause: dict[str, Any]) -> Finding:
    long, long_zh = ago(pause["since"])
    why, why_zh = (f": {pause['reason']}", f"：{pause['reason']}") if pause["reason"] else ("", "")
    return warn(
        (
            f"paused for {long}, nothing new is taken{why}",
            f"已暂停 {long_zh}，不接受新的请求{why_zh}",
        ),
        ("seacod resume, when the work is done", "完成维护后执行 seacod resume"),
    )


def address(context: CheckContext) -> Finding:
    """It is reached where it says it listens."""
    urls = [context.open_url] if context.open_url is not None else _urls(context)
    wrong = [finding for url in urls if (finding := _unanswered(context, url)) is not None]
    told = ", ".join(urls)
    return worst(wrong, (f"{told} takes requests", f"{told} 可以接受请求"))


def _urls(context: CheckContext) -> list[str]:
    return [one["url"] for one in context.status["listening"] if one["serves"] == "http"]


def _unanswered(context: CheckContext, url: str) -> Finding | None:
    """What is wrong at one address; None when requests are taken there."""
    try:
        with Client(url, context.key, retry=NEVER) as client:
            client.get("/health/ready")
    except Refused as error:
        if error.status == 503 and context.open_url is None and context.status["pause"]:
            # As it should be; the item before says so.
            return None
        return fail(
            (f"{url}: answers {error.status} to /health/ready",
             f"{url}：/health/ready 返回 {error.status}"), _JOURNAL,
        )  # fmt: skip
    except (Unreachable, BrokenOff) as error:
        return fail((f"{url}: {error.cause[0]}", f"{url}：{error.cause[1]}"), _JOURNAL)
    return None


def page(context: CheckContext) -> Finding:
    """The page loads, and the scripts it needs do."""
    context.served_model  # noqa: B018 - raises when there is nothing to load
    text = context.get("/")
    # The page is HTML; JSON says that there is none.
    if text.startswith("{"):
        return ok("server.page is off: only the API is served", "server.page 为 off：仅提供 API")
    script = re.search(r"[\"'](?:\./|/)?([\w./-]*ui/\w+/main\.js)", text)
    if script is None:
        return fail(
            ("the page comes without its script", "网页缺少脚本"),
            ("install it again: its files are not complete", "安装文件不完整，请重新安装"),
        )
    path = "/ui/" + script[1].partition("ui/")[2]
    size = len(context.get(path).encode())
    return ok(
        f"{len(text) >> 10} KiB, and its script ({size >> 10} KiB)",
        f"网页 {len(text) >> 10} KiB，脚本 {size >> 10} KiB",
    )


def ports(context: CheckContext) -> Finding:
    """Nothing listens wider than it is configured, and everything that is."""
    own = set(_listening(context))
    configured = _configured(context)
    expected: set[tuple[str, int]] = set().union(*configured)
    unix = [one["address"] for one in context.status["listening"] if one["address"][0] in "/@"]
    told = ", ".join([_shown(own), *unix])
    as_said: Words = ("as configured", "与配置一致")
    if context.is_placed:
        as_said = ("as it was told when it was started", "与启动时的指定一致")
    remedy = _RESTART if context.is_unit else _START_AGAIN
    return worst(
        [
            *_unexpected(own, expected, remedy),
            *_missing(own, configured, remedy),
            *_open_to_all(context, own),
        ],
        (f"listens on {told}, {as_said[0]}", f"监听 {told}，{as_said[1]}"),
    )


def _listening(context: CheckContext) -> Iterator[tuple[str, int]]:
    for pid in context.pids:
        try:
            for one in psutil.Process(pid).net_connections("tcp"):
                if one.status == psutil.CONN_LISTEN:
                    yield one.laddr.ip, one.laddr.port
        except psutil.AccessDenied:
            raise Unseen(
                ("not looked at: only root sees what the service listens on",
                 "未检查：只有 root 能查看服务监听的端口"),
                ("run it as root: sudo seacod check ports",
                 "请以 root 运行：sudo seacod check ports"),
            ) from None  # fmt: skip
        except psutil.NoSuchProcess:
            continue


def _configured(context: CheckContext) -> list[Places]:
    """What is to be listened on: the operator's socket units decide where they give any, the
    settings else. A name may have several addresses, of which one is enough."""
    server, metrics = context.settings.server, context.settings.metrics
    told = context.status["listening"]
    wanted = {"http": server.addresses, "funasr": server.funasr_addresses}
    if metrics.port:
        wanted["metrics"] = (ListenAddress(metrics.host.strip("[]"), metrics.port),)
    from_units = {
        one["serves"]: [
            parse(other["address"])
            for other in told
            if other["from_unit"] and other["address"][0] not in "/@"
        ]
        for one in told
        if one["from_unit"]
    }
    return [
        frozenset((host, one.port) for host in _resolved(one.host))
        for those in {**wanted, **from_units}.values()
        for one in those
        if one.host
    ]


def _resolved(host: str) -> set[str]:
    """The addresses of a name."""
    try:
        return {str(one[4][0]) for one in socket.getaddrinfo(host, None)}
    except OSError:
        return {host}


def _unexpected(
    own: set[tuple[str, int]], expected: set[tuple[str, int]], remedy: Words
) -> Iterator[Finding]:
    # Port 0 is whichever was free.
    for host, port in sorted(own):
        if not any(p in (0, port) and _within(host, h) for h, p in expected):
            yield fail(
                (f"listens on {bracketed(host)}:{port}, which is not configured",
                 f"正在监听未配置的地址 {bracketed(host)}:{port}"),
                remedy,
            )  # fmt: skip


def _missing(
    own: set[tuple[str, int]], configured: list[Places], remedy: Words
) -> Iterator[Finding]:
    for places in configured:
        if not any(_is_among(own, *place) for place in places):
            host, port = min(places)
            yield fail(
                (f"does not listen on {bracketed(host)}:{port}, which is configured",
                 f"未监听已配置的地址 {bracketed(host)}:{port}"),
                remedy,
            )  # fmt: skip


def _is_among(own: set[tuple[str, int]], host: str, port: int) -> bool:
    # Port 0 is whichever was free.
    return port == 0 or any(p == port and _within(host, h) for h, p in own)


def _open_to_all(context: CheckContext, own: set[tuple[str, int]]) -> Iterator[Finding]:
    access = context.settings.access
    listening = [one["address"] for one in context.status["listening"] if one["serves"] == "http"]
    of_page = {parse(one).port for one in listening if one[0] not in "/@"}
    wide = {p for host, p in own if p in of_page and not _is_loopback(host)}
    if wide and not (access.api_keys or access.users):
        port = " ".join(map(str, sorted(wide)))
        yield warn(
            (f"everybody who reaches port {port} may use it",
             f"任何能访问端口 {port} 的人都可使用"),
            ("set access.users or access.api_keys, or put nginx in front (docs/security.md), or "
             "let a firewall decide who reaches it",
             "请设置 access.users 或 access.api_keys，或在前面部署 nginx（docs/zh/security.md），"
             "或由防火墙限制访问"),
        )  # fmt: skip


def _within(host: str, configured: str) -> bool:
    """Whether an address is no wider than the configured one."""
    if configured in (host, "::") or (configured == "0.0.0.0" and ":" not in host):  # noqa: S104
        return True
    return configured == "localhost" and _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _shown(addresses: set[tuple[str, int]]) -> str:
    return ", ".join(f"{bracketed(host)}:{port}" for host, port in sorted(addresses))


def metrics(context: CheckContext) -> Finding:
    """The metrics page answers, and somebody reads it."""
    told = context.status["metrics"]
    if told is None:
        return warn(
            ("switched off (metrics.port: 0)", "已关闭（metrics.port: 0）"),
            ("set metrics.port, 8000 unless something else has it",
             "请设置 metrics.port（默认 8000）"),
        )  # fmt: skip
    with Client(told["url"].removesuffix("/metrics"), retry=NEVER) as metrics_page:
        text = metrics_page.get("/metrics").decode("utf-8", "replace")
    count = sum(line.startswith("# TYPE ") for line in text.splitlines())
    if "seacod_worker_state" not in text:
        return fail(
            (f"{told['url']} does not serve seacod's metrics", f"{told['url']} 没有 seacod 的指标"),
            _JOURNAL,
        )
    at = told["scraped_at"]
    if at is None or time.time() - at > _SCRAPED_SECONDS:
        last = "nobody has read them" if at is None else f"last read {ago(at)[0]} ago"
        zh = "尚无人读取" if at is None else f"上次读取在 {ago(at)[1]}前"
        return warn(
            (f"{count} metrics at {told['url']}; {last}", f"{told['url']} 有 {count} 项指标；{zh}"),
            ("let Prometheus scrape them: etc/prometheus/prometheus.yml, docs/monitoring.md",
             "请配置 Prometheus 抓取：etc/prometheus/prometheus.yml，docs/zh/monitoring.md"),
        )  # fmt: skip
    return ok(
        f"{count} metrics, read {ago(at)[0]} ago by {told['scraped_by'] or 'somebody'}",
        f"{count} 项指标，{ago(at)[1]}前由 {told['scraped_by'] or '未知程序'} 读取",
    )


ITEMS = (configuration, service, address, page, ports, metrics)
