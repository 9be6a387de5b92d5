"""The stages of requests as spans of OpenTelemetry, on a real service: a collector of this test's
own takes what OTLP over HTTP brings, as the protocol has it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import sounds
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from supervised import PATIENCE_SECONDS, Service, free_port, wait_until

pytestmark = pytest.mark.full
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(ThreadingHTTPServer):
    """Takes spans at /v1/traces."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.received: list[ResourceSpans] = []
        super().__init__(("127.0.0.1", port), Receiver)
        threading.Thread(target=self.serve_forever, name="collector", daemon=True).start()

    def spans(self, trace: str) -> dict[str, Span]:
        found = {}
        for resource in list(self.received):
            for scope in resource.scope_spans:
                found |= {one.name: one for one in scope.spans if one.trace_id.hex() == trace}
        return found


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.headers["Content-Type"] == "application/x-protobuf"
        assert self.path == "/v1/traces"
        self.server.received += ExportTraceServiceRequest.FromString(body).resource_spans
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    one = Service(tmp_path)
    yield one
    one.kill()


def traced(service: Service, port: int) -> httpx.Client:
    service.configure(
        # The same recording is decoded each time.
        limits={"decoded_cache_bytes": 0},
        tracing={"otlp_endpoint": f"http://127.0.0.1:{port}/v1/traces", "service_name": "hearing"},
    )
    # A proxy is none on the way to this machine.
    service.environment["http_proxy"] = "http://127.0.0.1:9"
    service.start()
    return httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False)


def test_stages_come_to_a_collector_that_was_away_at_first(service: Service) -> None:
    port = free_port()
    client = traced(service, port)
    sound = {"file": sounds.SPEECH.read_bytes()}
    # Nobody is there: requests go on, what was not taken is counted and told.
    assert client.post("/transcribe", files=sound).status_code == 200
    wait_until(lambda: service.events("traces_not_taken"), "word of it")
    assert service.events("traces_not_taken")[0]["cause"]
    wait_until(lambda: 'asr_trace_spans_total{outcome="dropped"}' in service.metrics(), "a count")
    collector = Collector(port)
    try:
        _comes_whole(service, client, collector, sound)
    finally:
        collector.shutdown()
        collector.server_close()


def _comes_whole(
    service: Service, client: httpx.Client, collector: Collector, sound: dict[str, bytes]
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    answer = client.post("/transcribe", files=sound, headers=headers)
    _, trace, own, flags = answer.headers["traceresponse"].split("-")
    assert (trace, flags) == (TRACE, "01")
    # The built-in model looks for voices while it decodes.
    names = {"POST /transcribe", "recognise", "decode", "inference"}
    wait_until(lambda: names <= set(collector.spans(TRACE)), "the spans")
    spans = collector.spans(TRACE)
    request, heard = spans["POST /transcribe"], spans["recognise"]
    assert request.span_id.hex() == own
    assert request.parent_span_id.hex() == CALLER
    assert request.kind == Span.SPAN_KIND_SERVER
    assert heard.parent_span_id == request.span_id
    for stage in names - {"POST /transcribe", "recognise"}:
        assert spans[stage].parent_span_id == heard.span_id
        assert spans[stage].end_time_unix_nano > spans[stage].start_time_unix_nano
    assert request.start_time_unix_nano <= heard.start_time_unix_nano
    assert heard.end_time_unix_nano <= request.end_time_unix_nano
    facts = {one.key: one.value for one in heard.attributes}
    assert facts["seacod.outcome"].string_value == "text"
    assert facts["seacod.audio_seconds"].double_value > 0
    resource = {one.key: one.value for one in collector.received[-1].resource.attributes}
    assert resource["service.name"].string_value == "hearing"
    assert resource["seacod.worker"].int_value == 1
    # The line in the log is found by it.
    lines = [one for one in service.events("transcribed") if one.get("trace_id") == TRACE]
    assert lines[-1]["span_id"] == own
    # A caller that records nothing decides it for us, too.
    other = "5" * 32
    quiet = {"traceparent": f"00-{other}-{CALLER}-00"}
    assert client.post("/transcribe", files=sound, headers=quiet).status_code == 200
    # One that fails is there, too, and a batch has a trace of its own.
    bad = "6" * 32
    refused = client.post(
        "/transcribe", files={"file": b"nonsense"}, headers={"traceparent": f"00-{bad}-{CALLER}-01"}
    )
    assert refused.status_code == 415
    wait_until(lambda: {"recognise", "POST /transcribe"} <= set(collector.spans(bad)), "its spans")
    codes = {one.key: one.value for one in collector.spans(bad)["POST /transcribe"].attributes}
    assert codes["http.response.status_code"].int_value == 415
    before = len(collector.received)
    client.post("/batch_transcribe", files=[("files", ("a.wav", sound["file"]))])
    wait_until(lambda: len(collector.received) > before, "the spans of a batch")
    assert collector.spans(other) == {}
