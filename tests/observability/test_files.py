"""What is shipped for Prometheus, Alertmanager and Grafana: checked by their own tools, and by the
rules of Grafana's dashboard linter that can be checked without it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from supervised import ROOT

pytest.importorskip("grafana_foundation_sdk", reason="Grafana's SDK needs Python 3.11")

from observability import catalogue, dashboard

PROMETHEUS = ROOT / "etc/prometheus"
RULES = yaml.safe_load((PROMETHEUS / "rules.yml").read_text("utf-8"))
ALL_RULES = [rule for group in RULES["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "seacod/metrics/dashboard.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel, target["expr"]) for panel in PANELS for target in panel["targets"]]


def run(*command: str | Path) -> str:
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def substituted(query: str) -> str:
    for name, value in (("$__rate_interval", "5m"), ("$__range", "1h"), ("$job", ".+"),
                        ("$instance", ".+")):  # fmt: skip
        query = query.replace(name, value)
    return query


def test_prometheus_takes_its_configuration_and_rules() -> None:
    assert "SUCCESS" in run("promtool", "check", "config", PROMETHEUS / "prometheus.yml")
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", PROMETHEUS / "rules.yml")
    run("promtool", "test", "rules", PROMETHEUS / "tests/rules_test.yml")


def test_every_rule_has_a_test() -> None:
    tests = (PROMETHEUS / "tests/rules_test.yml").read_text("utf-8")
    for rule in ALL_RULES:
        if "alert" in rule:
            assert f"alertname: {rule['alert']}\n        exp_alerts:\n" in tests, rule["alert"]
        else:
            assert f"round({rule['record']}, " in tests, rule["record"]


def test_every_alert_says_what_and_what_to_do() -> None:
    for rule in ALL_RULES:
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert set(rule["annotations"]) == {"summary", "summary_zh", "description"}


def test_what_alertmanager_reads_is_there_in_its_container() -> None:
    compose = yaml.safe_load((ROOT / "etc/observability/compose.yaml").read_text("utf-8"))
    mounted = [one.split(":")[-2] for one in compose["services"]["alertmanager"]["volumes"]]
    told = (ROOT / "etc/alertmanager/alertmanager.yml").read_text("utf-8")
    named = re.findall(r"_file: (\S+)", told)
    assert named
    assert [one for one in named if one not in mounted] == []


def test_alertmanager_takes_its_configuration() -> None:
    file = ROOT / "etc/alertmanager/alertmanager.yml"
    assert "SUCCESS" in run("amtool", "check-config", file)
    routed = [
        run("amtool", "config", "routes", "test", f"--config.file={file}", f"severity={severity}")
        for severity in ("critical", "warning")
    ]
    assert [line.strip() for line in routed] == ["mail-and-dingtalk", "mail"]


def test_what_is_generated_is_up_to_date() -> None:
    run(sys.executable, ROOT / "tools/make_generated.py", "--check")


def test_the_command_prints_the_dashboard() -> None:
    printed = run(sys.executable, "-m", "seacod", "dashboard")
    assert json.loads(printed) == DASHBOARD


def test_the_dashboard_has_the_views_operators_know() -> None:
    titles = " ".join(panel["title"] for panel in PANELS)
    for view in ("每秒请求", "成功率", "P95", "显存", "显卡使用率", "处理器", "音频小时数",
                 "已处理文件", "错误分类", "每分钟请求", "内存", "热力图"):  # fmt: skip
        assert view in titles, view


def test_queries_ask_for_metrics_that_there_are() -> None:
    names = catalogue.series_names() | {"ALERTS", "up"}
    records = {rule["record"] for rule in ALL_RULES if "record" in rule}
    asked = [query for _, query in QUERIES] + [rule["expr"] for rule in ALL_RULES]
    for query in asked:
        found = re.findall(r"\b((?:asr|seacod|gpu|system)_\w+|instance:[\w:]+)", query)
        assert found or "ALERTS" in query or "up{" in query, query
        assert set(found) <= names | records, query


def test_grafanas_lint_rules_hold() -> None:
    """https://github.com/grafana/dashboard-linter/tree/main/docs: its rules in our words."""
    promql_parser = pytest.importorskip("promql_parser", reason="needs a parser of PromQL")
    variables = {v["name"]: v for v in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for name in ("job", "instance"):
        assert variables[name]["multi"] is True
        assert variables[name]["allValue"] == ".+"
        assert variables[name]["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for panel, query in QUERIES:
        assert 'job=~"$job"' in query, panel["title"]
        assert 'instance=~"$instance"' in query
        for function in re.findall(r"\b(?:rate|increase|irate)\(([^()]*)\)", query):
            assert "[$__rate_interval]" in function or "[$__range]" in function, query
        # A counter means nothing outside of those.
        bare = re.sub(r"\b(?:rate|increase|irate)\([^()]*\)", "", query)
        assert "_total" not in bare, query
        promql_parser.parse(substituted(query))


def test_the_dashboard_is_what_grafanas_types_say() -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    again = json.loads(json.dumps(Dashboard.from_json(DASHBOARD), cls=JSONEncoder))

    def flat(value: Any, path: str = "") -> dict[str, Any]:
        if not isinstance(value, (dict, list)):
            return {path: value}
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, one in items for k, v in flat(one, f"{path}.{key}").items()}

    ours = {f".annotations.list.0.{key}" for key in dashboard.MARK}
    expected = flat(DASHBOARD)
    assert ours <= expected.keys()
    assert flat(again) == {key: value for key, value in expected.items() if key not in ours}


@pytest.mark.parametrize(
    "name", sorted(str(p.relative_to(ROOT)) for p in Path(ROOT / "etc").rglob("*.y*ml"))
)
def test_every_file_is_yaml(name: str) -> None:
    assert yaml.safe_load((ROOT / name).read_text("utf-8")) is not None or name.endswith(
        "seacod.yaml"
    )
