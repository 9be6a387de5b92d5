"""Variables that begin as settings do, and are none: of our own scripts, and of Kubernetes."""

from __future__ import annotations

import re

import pytest
import yaml
from supervised import ROOT

from seacod.config.keys import leaves, variable_name
from seacod.config.load import ENV_RESERVED, load_settings
from seacod.errors import ConfigError

SCRIPTS = (
    "install.sh",
    "Containerfile",
    "tools/make_deb",
    "tests/run",
    ".ci/run",
    "systemd/seacod.service",
    "packaging/deb/postinst",
)
LINKS = {
    "SEACOD_SERVICE_HOST": "10.96.7.1",
    "SEACOD_SERVICE_PORT": "7860",
    "SEACOD_SERVICE_PORT_HTTP": "7860",
    "SEACOD_PORT": "tcp://10.96.7.1:7860",
    "SEACOD_PORT_7860_TCP": "tcp://10.96.7.1:7860",
    "SEACOD_PORT_7860_TCP_PROTO": "tcp",
    "SEACOD_PORT_7860_TCP_PORT": "7860",
    "SEACOD_PORT_7860_TCP_ADDR": "10.96.7.1",
    "SEACOD_METRICS_SERVICE_HOST": "10.96.7.2",
    "SEACOD_METRICS_SERVICE_PORT": "8000",
    "SEACOD_METRICS_PORT": "tcp://10.96.7.2:8000",
    "SEACOD_METRICS_PORT_8000_TCP": "tcp://10.96.7.2:8000",
}


def read(**environment: str) -> None:
    load_settings(environment=environment, default_file=None)


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_our_scripts_export_stops_no_command(script: str) -> None:
    names = set(re.findall(r"\bSEACOD_[A-Z_]*[A-Z]\b", (ROOT / script).read_text("utf-8")))
    settings = {variable_name(path) for path in leaves()}
    unknown = {name for name in names - settings if not name.startswith(ENV_RESERVED)}
    assert not unknown


def test_services_beside_us_in_kubernetes_are_no_settings() -> None:
    read(**LINKS)


def test_a_setting_beside_a_service_of_its_name_counts() -> None:
    with pytest.raises(ConfigError, match="SEACOD_METRICS_PORT"):
        read(**LINKS | {"SEACOD_METRICS_PORT": "70000"})
    with pytest.raises(ConfigError, match="SEACOD_METRICS_PORT"):
        read(SEACOD_METRICS_PORT="tcp://10.96.7.2:8000")
    with pytest.raises(ConfigError, match="SEACOD_PORTS"):
        read(**LINKS | {"SEACOD_PORTS": "1"})


def test_a_pod_of_ours_asks_for_no_such_variables() -> None:
    manifest = ROOT / "etc/kubernetes/base/deployment.yaml"
    pod = yaml.safe_load(manifest.read_text("utf-8"))["spec"]["template"]["spec"]
    assert pod["enableServiceLinks"] is False
