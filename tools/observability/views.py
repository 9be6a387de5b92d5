"""What the dashboard shows: every view with its question, its queries and its unit.

`$by` stands for the selector of job and instance, `$every` for Grafana's rate interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["timeseries", "stat", "heatmap", "timeline"]


@dataclass(frozen=True, slots=True)
class View:
    """One panel.

    Args:
        title: in Chinese and English.
        question: what it answers, and what to think of it.
        unit: as Grafana names it.
        queries: PromQL and the legend of each.
        kind: how it is drawn.
        width: of 24 columns.
        most: top of the scale, where there is one.
        needs: what there has to be for it to show anything: a GPU, say.
    """

    title: str
    question: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: Kind = "timeseries"
    width: int = 8
    most: float | None = None
    needs: Literal["gpu", "trouble", "systemd", "archive"] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Some views that belong together."""

    title: str
    views: tuple[View, ...]


def _quantile(share: float, bucket: str, by: str = "") -> str:
    labels = f"le, instance{', ' + by if by else ''}"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({bucket}_bucket{{$by}}[$every])))"


def _rate(name: str, by: str = "instance", more: str = "") -> str:
    return f"sum by ({by}) (rate({name}{{$by{more}}}[$every]))"


# Of what has ended: requests are counted when they come, which would give ratios above one.
_ANSWERED = _rate("asr_requests_success_total")
_FAILED = _rate("asr_requests_failed_total")
_SUCCESS = f"{_ANSWERED} / ({_ANSWERED} + ({_FAILED} or 0 * {_ANSWERED}))"

ROWS = (
    Row(
        "概览 Overview",
        (
            View("每秒请求 Requests a second", "How much comes in.", "reqps",
                 ((_rate("asr_requests_total"), "{{instance}}"),)),
            View("成功率 Success ratio",
                 "Requests answered with a text. What clients send wrong counts against it here; "
                 "the alerts count faults of the service only.", "percentunit",
                 ((_SUCCESS, "{{instance}}"),), most=1),
            View("P95 耗时 P95 latency",
                 "One request in twenty takes longer, waiting included.", "s",
                 ((_quantile(0.95, "asr_processing_duration_seconds"), "{{instance}} P95"),
                  (_quantile(0.5, "asr_processing_duration_seconds"), "{{instance}} P50"))),
            View("显存 GPU memory", "Used by anybody, beside what there is.", "bytes",
                 (("seacod_gpu_memory_used_bytes{$by}", "{{instance}} GPU {{gpu}}"),
                  ("seacod_gpu_memory_bytes{$by}", "{{instance}} GPU {{gpu}} total")),
                 needs="gpu"),
            View("显卡使用率 GPU use", "Share of time in which the GPU did anything.", "percent",
                 (("gpu_util_percent{$by}", "{{instance}} GPU {{gpu}}"),), most=100, needs="gpu"),
            View("处理器 CPU", "Of all cores of the host.", "percent",
                 (("system_cpu_usage_percent{$by}", "{{instance}}"),), most=100),
            View("音频小时数 Hours of audio", "Transcribed in the range shown.", "h",
                 (("sum by (instance) (increase(asr_audio_duration_seconds_total{$by}[$__range]))"
                   " / 3600", "{{instance}}"),), kind="stat"),
            View("已处理文件 Recordings", "Transcribed in the range shown.", "short",
                 (("sum by (instance) (increase(asr_processed_files_total{$by}[$__range]))",
                   "{{instance}}"),), kind="stat"),
            View("错误分类 Errors by type", "Requests without a text, by reason.", "reqps",
                 ((_rate("asr_requests_failed_total", "instance, reason"),
                   "{{instance}} {{reason}}"),), needs="trouble"),
            View("每分钟请求 Requests a minute", "By route: page and API, batches, microphones.",
                 "short", ((f"60 * {_rate('asr_requests_total', 'instance, route')}",
                            "{{instance}} {{route}}"),)),
            View("内存 Memory", "Of the host, in use.", "percent",
                 (("system_memory_usage_percent{$by}", "{{instance}}"),), most=100),
            View("耗时热力图 Latency heat map", "Where requests lie.",
                 "s", (("sum by (le) (increase(asr_processing_duration_seconds_bucket{$by}"
                        "[$every]))", "{{le}}"),), kind="heatmap"),
        ),
    ),
    Row(
        "排队 Queue",
        (
            View("排队与处理中 Waiting and in flight", "Waiting for long: too much comes.",
                 "short", (("sum by (instance) (asr_queue_depth{$by})", "{{instance}} waiting"),
                           ("sum by (instance) (asr_requests_in_flight{$by})",
                            "{{instance}} in flight"),
                           ("seacod_queue_length{$by}", "{{instance}} limit"))),
            View("排队时间 Time in queue", "Before anything was done for a request.", "s",
                 (("histogram_quantile(0.95, sum by (le, instance) (rate("
                   "asr_stage_duration_seconds_bucket{$by, stage=\"queue\"}[$every])))",
                   "{{instance}} P95"),)),
            View("拒绝 Turned away", "503 because the queue was full.", "reqps",
                 (("sum by (instance) (rate(asr_requests_failed_total{$by, "
                   "reason=\"queue_full\"}[$every]))", "{{instance}}"),), needs="trouble"),
            View("最久的请求 Oldest request", "How long the oldest one inside has been there.", "s",
                 (("seacod_oldest_request_seconds{$by}", "{{instance}}"),)),
            View("实时录音 Microphones", "Open now on the live tab.", "short",
                 (("sum by (instance) (asr_live_sessions{$by})", "{{instance}}"),)),
            View("预备进程 Nursery ready", "1 while the next one can be forked at once.", "short",
                 (("seacod_nursery_ready{$by}", "{{instance}}"),), most=1),
        ),
    ),
    Row(
        "耗时 Where time goes",
        (
            View("各阶段 By stage", "Mean seconds of a request in each stage.", "s",
                 ((f"{_rate('asr_stage_duration_seconds_sum', 'instance, stage')} / "
                   f"{_rate('asr_stage_duration_seconds_count', 'instance, stage')}",
                   "{{instance}} {{stage}}"),)),
            View("按音频长度 P95 by length of the audio", "Long recordings take longer; the rest "
                 "should not.", "s",
                 ((_quantile(0.95, "asr_processing_duration_by_length_seconds", "length"),
                   "{{instance}} {{length}}"),)),
            View("实时率 Real-time factor", "Processing over length: 0.1 is ten times as fast as "
                 "speech.", "short",
                 ((_quantile(0.95, "asr_real_time_factor"), "{{instance}} P95"),
                  (_quantile(0.5, "asr_real_time_factor"), "{{instance}} P50"))),
            View("吞吐 Audio through", "Seconds of audio transcribed in a second.", "short",
                 ((_rate("asr_audio_duration_seconds_total"), "{{instance}}"),)),
            View("语音占比 Share of speech", "Of the audio; the rest is silence.", "percentunit",
                 ((f"{_rate('asr_speech_duration_seconds_total')} / "
                   f"{_rate('asr_audio_duration_seconds_total')}", "{{instance}}"),), most=1),
            View("热词 Hotwords", "What became of them.", "short",
                 ((_rate("asr_hotwords_total", "instance, status"), "{{instance}} {{status}}"),)),
        ),
    ),
    Row(
        "批处理 Batches",
        (
            View("每批片段 Segments in a batch", "More at once is more through.", "short",
                 ((f"{_rate('asr_batch_segments_total')} / {_rate('asr_batches_total')}",
                   "{{instance}} mean"),
                  (_quantile(0.95, "asr_batch_size_segments"), "{{instance}} P95"))),
            View("批填充率 Batch fill", "Speech over what the batch occupied; the rest is padding.",
                 "percentunit",
                 ((f"{_rate('asr_batch_audio_seconds_total')} / "
                   f"{_rate('asr_batch_padded_seconds_total')}", "{{instance}}"),), most=1),
            View("模型忙碌 Model busy", "Share of time in which the model worked.", "percentunit",
                 ((_rate("asr_inference_seconds_total"), "{{instance}}"),), most=1),
            View("显存不足与重试 Out of memory, retries", "Batches halved, segments heard twice, "
                 "speech without text.", "short",
                 ((_rate("asr_out_of_memory_total"), "{{instance}} out of memory"),
                  (_rate("asr_segments_retried_total"), "{{instance}} retried"),
                  (_rate("asr_segments_unheard_total"), "{{instance}} unheard"))),
        ),
    ),
    Row(
        "进程 Worker",
        (
            View("识别进程状态 Worker state", "What the service is doing.", "short",
                 (("max by (instance, state) (seacod_worker_state{$by}) == 1",
                   "{{instance}} {{state}}"),), kind="timeline", width=12),
            View("意外重启 Unplanned restarts", "By cause; also marked on every panel.", "short",
                 (("sum by (instance, cause) (increase(seacod_worker_restarts_total{$by}"
                   "[$every]))", "{{instance}} {{cause}}"),), width=12, needs="trouble"),
            View("暂停 Paused",
                 "1 while an operator keeps new requests away (seacod pause). For hours: somebody "
                 "has forgotten it.", "short", (("seacod_paused{$by}", "{{instance}}"),),
                 kind="timeline"),
            View("不可用时间 Time away", "Without a serving worker, in the range shown.", "s",
                 (("increase(seacod_worker_away_seconds_total{$by}[$__range])", "{{instance}}"),),
                 kind="stat"),
            View("心跳年龄 Age of the last beat", "Seconds since the worker's last sign of life.",
                 "s", (("seacod_worker_beat_age_seconds{$by}", "{{instance}} worker"),)),
            View("看门狗 Watchdog", "Seconds since systemd was last told that we live.", "s",
                 (("seacod_watchdog_age_seconds{$by}", "{{instance}}"),), needs="systemd"),
            View("进程内存 Memory of our processes", "Supervisor, worker, nursery.", "bytes",
                 (("seacod_process_memory_bytes{$by}", "{{instance}} {{process}}"),)),
            View("剩余磁盘 Disk free", "Where uploads, batches and the state lie.", "bytes",
                 (("seacod_disk_free_bytes{$by}", "{{instance}} {{place}}"),)),
            View("清理文件 Leftovers removed", "By the sweep, in the range shown.", "short",
                 (("increase(seacod_temp_files_removed_total{$by}[$__range])", "{{instance}}"),),
                 kind="stat"),
            View("监控故障 Watches that broke", "Begun anew each time; the log says why.", "short",
                 (("sum by (instance, watch) (increase(seacod_watch_failures_total{$by}"
                   "[$every]))", "{{instance}} {{watch}}"),), needs="trouble"),
            View("兜底应答 Fallback answers", "503 while no worker was there.", "reqps",
                 ((_rate("seacod_front_door_answers_total"), "{{instance}}"),)),
            View("版本 Version", "What runs where.", "short",
                 (("seacod_build_info{$by}", "{{instance}} {{version}}"),), kind="stat"),
        ),
    ),
    Row(
        "显卡 GPU",
        (
            View("显存归属 Memory by owner", "Ours beside everybody else's.", "bytes",
                 (("seacod_gpu_process_memory_bytes{$by}", "{{instance}} {{gpu}} {{owner}}"),),
                 needs="gpu"),
            View("温度 Temperature", "Of the GPU.", "celsius",
                 (("seacod_gpu_temperature_celsius{$by}", "{{instance}} GPU {{gpu}}"),),
                 needs="gpu"),
            View("功率 Power", "What the GPU draws.", "watt",
                 (("seacod_gpu_power_watts{$by}", "{{instance}} GPU {{gpu}}"),), needs="gpu"),
        ),
    ),
    Row(
        "集群合计 All nodes together",
        (
            View("节点 Nodes", "That answer Prometheus, of those it asks.", "short",
                 (("sum(up{$by, job!=\"seacod-archive\"})", "up"),
                  ("count(up{$by, job!=\"seacod-archive\"})", "there are")), kind="stat", width=6),
            View("识别进程 Workers", "That serve, of those there are to be.", "short",
                 (("sum(seacod_workers_serving{$by})", "serve"),
                  ("sum(seacod_workers{$by})", "there are")), width=6),
            View("总请求 Requests a second, all", "Of the hosts chosen above.", "reqps",
                 (("sum(rate(asr_requests_total{$by}[$every]))", "all"),), width=6),
            View("总吞吐 Audio through, all", "Seconds of audio transcribed in a second.", "short",
                 (("sum(rate(asr_audio_duration_seconds_total{$by}[$every]))", "all"),), width=6),
            View("总 P95 P95 latency, all", "One request in twenty takes longer.",
                 "s", (("histogram_quantile(0.95, sum by (le) (rate("
                        "asr_processing_duration_seconds_bucket{$by}[$every])))", "P95"),),
                 width=6),
            View("总排队 Waiting, all", "On all nodes, beside all places there are.", "short",
                 (("sum(asr_queue_depth{$by})", "waiting"),
                  ("sum(seacod_queue_length{$by})", "limit")), width=6),
            View("各节点份额 Share of each node", "Of all requests; far apart: the balancer.",
                 "percentunit",
                 ((f"{_rate('asr_requests_total')} / ignoring(instance) group_left "
                   "sum(rate(asr_requests_total{$by}[$every]))", "{{instance}}"),),
                 width=6, most=1),
            View("归档转写 Archive (Ray)", "Hours of audio transcribed an hour, by node.", "short",
                 (("sum by (node) (seacod_bulk_audio_hours_per_hour{$by})", "{{node}}"),), width=6,
                 needs="archive"),
        ),
    ),
    Row(
        "告警 Alerts",
        (
            View("正在告警 Firing", "Of Prometheus' own rules.", "short",
                 (("sum by (alertname, instance) (ALERTS{$by, alertstate=\"firing\"})",
                   "{{alertname}} {{instance}}"),), width=6, needs="trouble"),
            View("登录 Logins", "Tries with a password, a minute, by what came of them.", "short",
                 (("60 * sum by (instance, result) (rate(asr_logins_total{$by}[$every]))",
                   "{{instance}} {{result}}"),), width=6),
            View("待发送 Waiting messages", "seacod's own alerts that no channel has taken.",
                 "short", (("seacod_alert_outbox_messages{$by}", "{{instance}}"),), width=6),
            View("发送 Deliveries", "Tries, by channel and outcome.", "short",
                 (("sum by (instance, channel, outcome) (increase("
                   "seacod_alert_deliveries_total{$by}[$every]))",
                   "{{instance}} {{channel}} {{outcome}}"),), width=6),
        ),
    ),
)  # fmt: skip

# Marked on every panel.
RESTARTS = "sum by (instance, cause) (increase(seacod_worker_restarts_total{$by}[$every])) > 0"
BY = 'job=~"$job", instance=~"$instance"'


def filled(query: str, by: str = BY, every: str = "$__rate_interval") -> str:
    """The query as Grafana takes it, or with a selector and an interval of one's own."""
    return query.replace("$by", by).replace("$every", every)
