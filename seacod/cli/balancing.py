"""What HAProxy is told about several nodes: the file that `seacod haproxy` prints, with the reason
for each line beside it. Asks nobody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from seacod.system.text.terminal import in_language as say

# Of the places in a node's queue, so many stay free for what comes past HAProxy's queue: requests
# of people who are logged in, who have to be at their node.
_KEPT_FREE = 4
# HAProxy's largest.
_HEAVIEST = 256
_AWAY = (
    "all places are taken or the node is away; try again in a moment",
    "没有空位，或节点暂时离开，请稍后重试",
)
_LONG = (
    "Longer than limits.request_timeout_seconds, and than a batch takes to upload.",
    "长于 limits.request_timeout_seconds，也长于批量任务上传所需的时间。",
)
_MICROPHONE = ("A microphone.", "麦克风。")
_CUT_OFF = (
    "A node that was cut off from the network is noticed while it owes an answer, too.",
    "节点在应答期间断网，也能发现。",
)
_OWN_ANSWERS = (
    "What HAProxy itself answers says when to come back, as the nodes do.",
    "HAProxy 自身的应答与节点一样，说明何时重试。",
)
_ALL_503 = (
    "Whatever became of a node, a client is told the same: 503, and when to come back. What a\n"
    "node itself says (it could not fetch a url=) stays as it is.",
    "无论节点出了什么问题，客户端得到的都是 503 与重试时间；节点自己的应答（例如无法获取 url=）\n"
    "保持不变。",
)
_TLS = (
    "With TLS, which microphones need: seacod haproxy --bind :443 --certificate FILE",
    "使用 TLS（麦克风需要）：seacod haproxy --bind :443 --certificate FILE",
)
_WHO_ASKS = (
    "The client's address and protocol are set here; what it sends itself is replaced.",
    "由谁、以何种方式访问，只由这里说明；客户端自称的一律替换。",
)
_WHERE = (
    "A single recording may go to any node; a login is known to one node only.",
    "单个录音可以交给任意节点；已登录的用户只有一个节点知道。",
)
_QUEUE = (
    "HAProxy does the queueing: a node is given no more than it has places for (maxconn; a\n"
    "quarter of them is left for who comes past this queue), and who waited longer is told 503.",
    "由 HAProxy 排队：交给节点的不超过其位置数（maxconn；四分之一留给不经此队列的请求），\n"
    "等待超过此时间的返回 503。",
)
_AGAIN = (
    "Whoever cannot be reached, or says 503, is not asked again: another is. Only what fits into\n"
    "a buffer (16 KiB) can be sent twice, and nearly every recording is longer: its client gets\n"
    "the 503 and comes back after Retry-After. The queue makes that rare.",
    "无法连接或返回 503 的节点不再询问，改问另一个。只有能放进缓冲区（16 KiB）的请求\n"
    "可以发送两次，而几乎所有录音都更长：其客户端收到 503，并在 Retry-After 之后重试。\n"
    "有了队列，这很少发生。",
)
_REFUSING = (
    "A node that refuses is quick and would attract everybody: after three refusals in a row it\n"
    "is asked nothing until it was found ready again.",
    "拒绝得快的节点会吸引所有请求：连续拒绝三次之后，在检查确认就绪之前不再送去请求。",
)
_STAYS = (
    "Everything else stays at one node: the page, logins, microphones. While that node is away\n"
    "another one stands in, and the cookie stays.",
    "其余的固定在一个节点：网页、登录、麦克风。该节点离开期间由另一个代替，Cookie 不变。",
)
_BATCHES = (
    "Batches lie on the node that took them: another one says of them that they do not exist.\n"
    "While it is away their client gets 503 and Retry-After, and finds them when it is back.",
    "批量任务在接收它的节点上，别的节点会说它不存在。该节点离开期间，客户端收到 503 与\n"
    "Retry-After，恢复后即可找到。",
)


@dataclass(frozen=True, slots=True)
class Balanced:
    """A node.

    Args:
        address: HOST:PORT.
        places: requests that it takes, worked on and waiting; one more is refused.
    """

    address: str
    places: int


@dataclass(frozen=True, slots=True)
class Balancer:
    """
    Args:
        nodes: at least one.
        shares_jobs: whether any of them answers for any batch.
        bind: where people come in.
        certificate: file with certificate and key; empty for no TLS.
        queue_seconds: how long a request waits for a place.
    """

    nodes: Sequence[Balanced]
    shares_jobs: bool
    bind: str
    certificate: str
    queue_seconds: int


def most_at_once(places: int) -> int:
    """Requests that HAProxy has at a node at a time."""
    return max(1, places - places // _KEPT_FREE)


def rendered(balancer: Balancer) -> str:
    """The whole file."""
    parts = [_head(), _frontend(balancer), _requests(balancer), _sessions(balancer)]
    if not balancer.shares_jobs:
        parts.append(_jobs(balancer))
    return "\n".join([*parts, _figures()])


def _remark(english: str, chinese: str) -> str:
    """A comment, as wide as the lines around it."""
    return "\n".join(f"    # {line}" for line in say(english, chinese).splitlines())


def _head() -> str:
    said = say(
        "# HAProxy in front of several seacod nodes, made by `seacod haproxy`: make it anew when\n"
        "# nodes or their limits change. On each node set server.drain_notice_seconds: 5, so that\n"
        "# a stop is announced before anything is refused, server.trusted_proxies: this machine's\n"
        "# address (nobody else's X-Forwarded-* is believed), and server.allowed_hosts: the name\n"
        "# people use. docs/scale.md tells more.",
        "# 若干 seacod 节点之前的 HAProxy，由 `seacod haproxy` 生成；节点或其上限有变化时\n"
        "# 请重新生成。每个节点上设置 server.drain_notice_seconds: 5（停止前先通知），\n"
        "# server.trusted_proxies：本机地址（其他来源的 X-Forwarded-* 不予采信），以及\n"
        "# server.allowed_hosts：用户访问所用的域名。详见 docs/zh/scale.md。",
    )
    body = {"error": {"code": "busy", "message": _AWAY[0], "message_zh": _AWAY[1]}}
    away = json.dumps(body, ensure_ascii=False)
    errors = "\n".join(
        f"    http-error status {status} content-type application/json hdr Retry-After "
        f"{seconds} string '{away}'"
        for status, seconds in ((502, 1), (503, 5), (504, 5))
    )
    return f"""{said}
global
    log /dev/log local0
    maxconn 4096

defaults
    mode http
    log global
    option dontlognull
    timeout connect 2s
    timeout client 1h
{_remark(*_LONG)}
    timeout server 1h
    timeout http-request 30s
{_remark(*_MICROPHONE)}
    timeout tunnel 4h
{_remark(*_CUT_OFF)}
    option srvtcpka
    srvtcpka-idle 5s
    srvtcpka-intvl 2s
    srvtcpka-cnt 3
{_remark(*_OWN_ANSWERS)}
{errors}
"""


def _frontend(balancer: Balancer) -> str:
    if balancer.certificate:
        tls = f"    bind {balancer.bind} ssl crt {balancer.certificate} alpn h2,http/1.1"
    else:
        without = _remark(*_TLS)
        tls = f"    bind {balancer.bind}\n{without}"
    at_home = "    use_backend seacod_jobs if { path_beg /jobs /batch_transcribe }\n"
    jobs = "" if balancer.shares_jobs else at_home
    return f"""frontend seacod
    option httplog
{tls}
{_remark(*_WHO_ASKS)}
    http-request del-header Forwarded
    http-request del-header X-Forwarded-Prefix
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
{_remark(*_ALL_503)}
    http-response set-var(txn.is_told) bool(true)
    http-after-response set-status 503 if {{ status 502 504 }} !{{ var(txn.is_told) -m bool }}
{jobs}{_remark(*_WHERE)}
    acl is_recording path_beg /transcribe /v1/audio/
    acl is_logged_in req.cook(seacod_session) -m found
    use_backend seacod_requests if is_recording !is_logged_in
    default_backend seacod_sessions
"""


def _requests(balancer: Balancer) -> str:
    heaviest = max(most_at_once(one.places) for one in balancer.nodes)
    servers = "\n".join(
        f"    server node{number} {one.address} maxconn {(most := most_at_once(one.places))} "
        f"weight {max(1, most * _HEAVIEST // max(heaviest, _HEAVIEST))}"
        for number, one in enumerate(balancer.nodes, 1)
    )
    return f"""backend seacod_requests
    balance leastconn
{_remark(*_QUEUE)}
    timeout queue {balancer.queue_seconds}s
{_remark(*_AGAIN)}
    option http-buffer-request
    retries 3
    option redispatch 1
    retry-on conn-failure empty-response response-timeout 503
    option httpchk GET /health/ready
{_remark(*_REFUSING)}
    default-server inter 1s fastinter 500ms fall 2 rise 2 check observe layer7 error-limit 3 \
on-error mark-down
{servers}
"""


def _sessions(balancer: Balancer) -> str:
    servers = "\n".join(
        f"    server node{number} {one.address}" for number, one in enumerate(balancer.nodes, 1)
    )
    return f"""backend seacod_sessions
    balance leastconn
{_remark(*_STAYS)}
    http-request disable-l7-retry if METH_POST
{_home(balancer)}
    retries 3
    option redispatch 1
    retry-on conn-failure empty-response 503
    option httpchk GET /health/ready
    default-server inter 1s fastinter 500ms fall 2 rise 1 check
{servers}
"""


def _home(balancer: Balancer) -> str:
    names = " ".join(f"node{number}" for number, _ in enumerate(balancer.nodes, 1))
    return f"""    acl has_node req.cook(SEACOD) -m str {names}
    http-request set-var(txn.is_new) bool(true) unless has_node or {{ path_beg /health }}
    http-response add-header Set-Cookie "SEACOD=%s; Path=/; HttpOnly; SameSite=Lax" if \
{{ var(txn.is_new) -m bool }}
    use-server %[req.cook(SEACOD)] if has_node"""


def _jobs(balancer: Balancer) -> str:
    servers = "\n".join(
        f"    server node{number} {one.address} track seacod_sessions/node{number}"
        for number, one in enumerate(balancer.nodes, 1)
    )
    return f"""backend seacod_jobs
    balance leastconn
{_remark(*_BATCHES)}
{_home(balancer)}
    option persist
    no option redispatch
    retries 3
    retry-on conn-failure
{servers}
"""


def _figures() -> str:
    said = say(
        "# Who is up, for people and for Prometheus.", "# 各节点的状态，供人与 Prometheus 查看。"
    )
    return f"""{said}
frontend figures
    bind 127.0.0.1:8404
    http-request use-service prometheus-exporter if {{ path /metrics }}
    stats enable
    stats uri /
    no log
"""
