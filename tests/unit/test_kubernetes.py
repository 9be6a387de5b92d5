"""etc/kubernetes and etc/containers against Kubernetes' schemas, the image and our own drain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from supervised import ROOT

from seacod.config.keys import leaves
from seacod.config.schema import Settings
from seacod.web.routes import health

MANIFESTS = ROOT / "etc/kubernetes"
CONTAINERS = ROOT / "etc/containers"
IMAGE = (ROOT / "Containerfile").read_text("utf-8")
# The oldest that its makers still mend, and the newest that the validator knows.
VERSIONS = ("1.32", "1.35")
# Kinds that Kubernetes itself does not have.
OTHERS = ("Kustomization", "ServiceMonitor")


def documents(folder: str = "") -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted((MANIFESTS / folder).rglob("*.yaml")):
        if path.name != "seacod.yaml":
            yield path, yaml.safe_load(path.read_text("utf-8"))


def one(kind: str, folder: str = "base") -> dict[str, Any]:
    (found,) = [document for _, document in documents(folder) if document["kind"] == kind]
    return found


POD = one("Deployment")["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
SETTINGS = Settings.model_validate(
    yaml.safe_load((MANIFESTS / "base/seacod.yaml").read_text("utf-8"))
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", [path for path, one in documents() if one["kind"] not in OTHERS],
                         ids=lambda path: f"{path.parent.name}/{path.name}")  # fmt: skip
def test_each_manifest_fits_the_schema_of_kubernetes(path: Path, version: str) -> None:
    document = yaml.safe_load(path.read_text("utf-8"))
    if path.parent.name == "gpu":
        # A patch: only together with what it changes is it whole.
        document = merged(one("Deployment"), document)
    kubernetes_validate.validate(document, version, strict=True)


def test_the_validator_finds_mistakes() -> None:
    wrong = merged(one("Service"), {"spec": {"sesionAffinity": "ClientIP"}})
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def merged(base: Any, patch: Any) -> Any:
    """As kustomize does it for what we have: containers by their name, anything else by its key."""
    if isinstance(base, dict) and isinstance(patch, dict):
        both = {key: merged(base[key], patch[key]) for key in base.keys() & patch.keys()}
        return {**base, **patch, **both}
    if isinstance(base, list) and isinstance(patch, list):
        (mine,), (theirs,) = base, patch
        assert mine["name"] == theirs["name"]
        return [merged(mine, theirs)]
    return patch


def test_each_kustomization_names_what_is_there() -> None:
    for path, document in documents():
        if document["kind"] != "Kustomization":
            assert document["apiVersion"] != "", path
            continue
        for name in document["resources"]:
            there = path.parent / name
            assert there.is_file() or (there / "kustomization.yaml").is_file(), (path, name)
        for patch in document.get("patches", ()):
            changed = yaml.safe_load((path.parent / patch["path"]).read_text("utf-8"))
            assert changed["metadata"]["name"] == one(changed["kind"])["metadata"]["name"]
        for made in document.get("configMapGenerator", ()):
            assert all((path.parent / file).is_file() for file in made["files"])
            settings = next(v for v in POD["spec"]["volumes"] if v["name"] == "settings")
            assert settings["configMap"]["name"] == made["name"]
        for image in document.get("images", ()):
            assert image["name"] == CONTAINER["image"]
        listed = {*document["resources"], *(patch["path"] for patch in document.get("patches", ()))}
        beside = {file.name for file in path.parent.glob("*.yaml")}
        assert beside - listed <= {"kustomization.yaml", "seacod.yaml"}, path


def test_names_and_labels_lead_to_the_pod() -> None:
    labels = POD["metadata"]["labels"]
    for selector in (
        one("Deployment")["spec"]["selector"]["matchLabels"],
        one("Service")["spec"]["selector"],
        one("ServiceMonitor", "monitoring")["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports == {"http": SETTINGS.server.port, "metrics": SETTINGS.metrics.port}
    service = {port["name"]: port for port in one("Service")["spec"]["ports"]}
    assert all(port["targetPort"] in ports for port in service.values())
    (asked,) = one("ServiceMonitor", "monitoring")["spec"]["endpoints"]
    assert asked["port"] in service
    # What the ServiceMonitor selects are Services.
    assert one("Service")["metadata"]["labels"].items() >= labels.items()
    volumes = {volume["name"] for volume in POD["spec"]["volumes"]}
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == volumes
    assert one("PersistentVolumeClaim")["metadata"]["name"] == "seacod"


def test_the_probes_ask_what_is_answered() -> None:
    answered = Path(health.__file__).read_text("utf-8")
    for name, path in (
        ("startupProbe", "/health/live"),
        ("livenessProbe", "/health/live"),
        ("readinessProbe", "/health/ready"),
    ):
        asked = CONTAINER[name]["httpGet"]
        assert (asked["path"], asked["port"]) == (path, "http")
        assert f'"{path}"' in answered


def test_a_pod_has_the_time_that_its_drain_may_take() -> None:
    pause = float(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][-1])
    worker, notice = SETTINGS.worker, SETTINGS.server.drain_notice_seconds
    longest = notice + worker.drain_timeout_seconds + worker.stop_timeout_seconds
    assert POD["spec"]["terminationGracePeriodSeconds"] >= pause + longest + 5
    compose = compose_file()["services"]["seacod"]
    assert float(compose["stop_grace_period"].removesuffix("s")) >= longest + 5


def test_pod_and_image_agree() -> None:
    security = POD["spec"]["securityContext"]
    user = f"{security['runAsUser']}:{security['runAsGroup']}"
    assert re.search(r"^USER (\S+)$", IMAGE, re.MULTILINE)[1] == user  # type: ignore[index]
    assert security["runAsNonRoot"]
    assert security["fsGroup"] == security["runAsGroup"]
    inner = CONTAINER["securityContext"]
    assert inner["readOnlyRootFilesystem"]
    assert not inner["allowPrivilegeEscalation"]
    assert inner["capabilities"] == {"drop": ["ALL"]}
    places = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert f"VOLUME {places['state']}" in IMAGE
    assert f"STATE_DIRECTORY={places['state']}" in IMAGE
    for port in CONTAINER["ports"]:
        assert str(port["containerPort"]) in re.search(r"^EXPOSE (.*)$", IMAGE, re.MULTILINE)[1]  # type: ignore[index]


def test_variables_of_image_and_pod_are_settings() -> None:
    known = {"_".join(("SEACOD", *leaf)).upper() for leaf in leaves()}
    named = set(re.findall(r"SEACOD_[A-Z_]+(?==)", IMAGE)) - {"SEACOD_TORCH", "SEACOD_EXTRAS"}
    named |= {one["name"] for one in CONTAINER["env"] if one["name"].startswith("SEACOD_")}
    assert named
    assert named <= known


def test_the_gpu_is_asked_for() -> None:
    both = merged(one("Deployment"), one("Deployment", "gpu"))
    (container,) = both["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    # What the patch does not name stays.
    assert container["resources"]["limits"]["memory"]
    assert container["volumeMounts"] == CONTAINER["volumeMounts"]


# -- compose --------------------------------------------------------------------------------------


def compose_file() -> dict[str, Any]:
    return dict(yaml.safe_load((CONTAINERS / "compose.yaml").read_text("utf-8")))


def test_compose_mounts_what_is_there_and_prometheus_asks_the_service() -> None:
    services = compose_file()["services"]
    for service in services.values():
        for mount in service["volumes"]:
            source = mount.partition(":")[0]
            is_named = source in compose_file()["volumes"]
            assert is_named or (CONTAINERS / source).is_file(), mount
    seacod = services["seacod"]
    assert (CONTAINERS / seacod["build"]["context"] / seacod["build"]["dockerfile"]).is_file()
    assert seacod["read_only"]
    (nodes,) = yaml.safe_load((CONTAINERS / "seacod-nodes.yml").read_text("utf-8"))
    settings = Settings.model_validate(
        yaml.safe_load((CONTAINERS / "seacod.yaml").read_text("utf-8"))
    )
    assert nodes["targets"] == [f"seacod:{settings.metrics.port}"]


def test_no_file_names_a_registry() -> None:
    texts = [IMAGE, *(path.read_text("utf-8") for path in MANIFESTS.rglob("*.yaml"))]
    texts.append((CONTAINERS / "compose.yaml").read_text("utf-8"))
    for text in texts:
        for image in re.findall(r"image: *(\S+)", text):
            assert "." not in image.partition("/")[0] or "/" not in image, image
