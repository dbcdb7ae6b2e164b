"""The manifests in deploy/kubernetes/ are valid, and agree with the rest of the project."""

import re
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import ValidationError, latest_version, validate

from support.service import UNREACHABLE, Commands
from support.template import Generate

OLDEST = "1.30"  # the first version with `sleep` in preStop
ANSWERS: tuple[dict[str, Any], ...] = (
    {},
    {"service_prefix": "/team/example/"},
    {"project_slug": "under__score-" + "x" * 37, "include_todo_example": False},
)
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
POD_HARDENING = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_HARDENING = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
# YAML reads each as another type unless it is quoted.
PREFIXES = ["2024", "no", "null", "~"]
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")

Manifest = dict[str, Any]


class Manifests:
    """The manifests of a project by their kind."""

    def __init__(self, project: Path) -> None:
        self.project = project
        files = sorted((project / "deploy" / "kubernetes").iterdir())
        texts = [path.read_text(encoding="utf-8") for path in files]
        self.by_kind: dict[str, Manifest] = {each["kind"]: each for text in texts for each in yaml.safe_load_all(text)}

    def __getitem__(self, kind: str) -> Manifest:
        return self.by_kind[kind]

    def pod(self, kind: str) -> Manifest:
        pod: Manifest = self[kind]["spec"]["template"]
        return pod

    def container(self, kind: str) -> Manifest:
        (container,) = self.pod(kind)["spec"]["containers"]
        assert isinstance(container, dict)
        return container

    def text(self, name: str) -> str:
        return (self.project / name).read_text(encoding="utf-8")

    @property
    def server(self) -> dict[str, Any]:
        return tomllib.loads(self.text("hypercorn.toml"))


@pytest.fixture(name="manifests", scope="module", params=ANSWERS, ids=["plain", "prefix", "slug"])
def _manifests(request: pytest.FixtureRequest, generate: Generate) -> Manifests:
    return Manifests(generate(**request.param))


@pytest.mark.parametrize("version", [OLDEST, latest_version()])
def test_every_manifest_is_valid(version: str, manifests: Manifests) -> None:
    kinds = ["Deployment", "HorizontalPodAutoscaler", "Job", "NetworkPolicy", "PodDisruptionBudget", "Service"]

    assert sorted(manifests.by_kind) == kinds
    for kind in kinds:
        assert validate(manifests[kind], version, strict=True) == ".".join(version.split(".")[:2])


def test_validation_detects_an_unknown_field(manifests: Manifests) -> None:
    deployment = deepcopy(manifests["Deployment"])
    deployment["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]["sleeps"] = 1

    with pytest.raises(ValidationError, match="'sleeps' was unexpected"):
        validate(deployment, OLDEST, strict=True)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_any_prefix_is_written_as_text(prefix: str, generate: Generate) -> None:
    project = generate(service_prefix=prefix)
    deployment = Manifests(project)["Deployment"]
    compose = yaml.safe_load((project / "docker-compose.yml").read_text(encoding="utf-8"))

    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "SERVICE_PREFIX", "value": prefix} in container["env"]
    assert {container[probe]["httpGet"]["path"].rpartition("/health/")[0] for probe in PROBES} == {f"/{prefix}"}
    assert compose["services"]["service"]["environment"]["SERVICE_PREFIX"] == f"${{SERVICE_PREFIX-{prefix}}}"
    assert validate(deployment, OLDEST, strict=True) == OLDEST


def test_uncommenting_one_line_is_enough_behind_an_ingress(manifests: Manifests) -> None:
    text = manifests.text("deploy/kubernetes/deployment.yml")
    deployment = yaml.safe_load(text.replace("# - {name: PROXY_HOPS", "- {name: PROXY_HOPS"))

    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["env"][-1] == {"name": "PROXY_HOPS", "value": "1"}
    assert validate(deployment, OLDEST, strict=True) == OLDEST


def test_names_are_valid(manifests: Manifests) -> None:
    job = manifests["Job"]["metadata"]["name"]
    (name,) = {each["metadata"]["name"] for each in manifests.by_kind.values()} - {job}

    assert DNS_LABEL.fullmatch(name)
    assert len(job) <= 63  # it becomes a label of the pods
    assert re.fullmatch(rf"{name[:40]}-migration-\d+\.\d+\.\d+", job)


def test_deployment_and_migration_run_the_same_release(manifests: Manifests) -> None:
    release = tomllib.loads(manifests.text("pyproject.toml"))["project"]["version"]
    images = {manifests.container(kind)["image"] for kind in ("Deployment", "Job")}

    assert images == {f"registry.example.com/{manifests.project.name}:{release}"}
    assert manifests["Job"]["metadata"]["name"].endswith(f"-{release}")
    assert manifests.container("Job")["command"] == ["quart", "db", "upgrade"]


def test_selects_the_pods_of_the_service_but_not_those_of_the_migration(manifests: Manifests) -> None:
    labels, others = (manifests.pod(kind)["metadata"]["labels"].items() for kind in ("Deployment", "Job"))
    spec = manifests.pod("Deployment")["spec"]
    selectors = [
        manifests["Service"]["spec"]["selector"],
        manifests["Deployment"]["spec"]["selector"]["matchLabels"],
        manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in spec["topologySpreadConstraints"]),
    ]

    assert len(selectors) == 4
    for selector in selectors:
        assert selector.items() <= labels
        assert not selector.items() <= others


def test_the_autoscaler_controls_the_replicas(manifests: Manifests) -> None:
    deployment, scaler = manifests["Deployment"], manifests["HorizontalPodAutoscaler"]["spec"]
    target = {"apiVersion": deployment["apiVersion"], "kind": "Deployment", "name": deployment["metadata"]["name"]}

    assert scaler["scaleTargetRef"] == target
    assert "replicas" not in deployment["spec"]
    assert "cpu" in manifests.container("Deployment")["resources"]["requests"]  # utilization is relative to it
    assert scaler["minReplicas"] > manifests["PodDisruptionBudget"]["spec"]["maxUnavailable"]


def test_ports_match_those_of_the_server(manifests: Manifests) -> None:
    container = manifests.container("Deployment")
    (served,) = container["ports"]
    (port,) = manifests["Service"]["spec"]["ports"]

    assert manifests.server["bind"] == [f"0.0.0.0:{served['containerPort']}"]
    assert f"EXPOSE {served['containerPort']}\n" in manifests.text("Dockerfile")
    used = [port["targetPort"], *(container[probe]["httpGet"]["port"] for probe in PROBES)]
    assert set(used) == {served["name"]}


def test_a_pod_has_time_to_finish_its_requests(manifests: Manifests) -> None:
    spec = manifests.pod("Deployment")["spec"]
    pause = manifests.container("Deployment")["lifecycle"]["preStop"]["sleep"]["seconds"]

    (drain,) = re.findall(r"^SHUTDOWN_DRAIN_SECONDS=(\d+)$", manifests.text(".env.example"), re.MULTILINE)
    assert pause > 0
    assert spec["terminationGracePeriodSeconds"] > pause + int(drain) + manifests.server["graceful_timeout"]


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_have_only_the_permissions_they_need(kind: str, manifests: Manifests) -> None:
    spec, container = manifests.pod(kind)["spec"], manifests.container(kind)

    assert spec["securityContext"] == POD_HARDENING
    assert container["securityContext"] == CONTAINER_HARDENING
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    assert "memory" in container["resources"]["limits"]
    assert "\nUSER 10001:10001\n" in manifests.text("Dockerfile")


def test_the_network_policy_lets_the_pods_reach_dns_and_the_database_only(manifests: Manifests) -> None:
    policy = manifests["NetworkPolicy"]["spec"]
    (incoming,) = policy["ingress"]
    ports = [(port["port"], port.get("protocol", "TCP")) for rule in policy["egress"] for port in rule["ports"]]

    for kind in ("Deployment", "Job"):
        assert policy["podSelector"]["matchLabels"].items() <= manifests.pod(kind)["metadata"]["labels"].items()
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert [port["port"] for port in incoming["ports"]] == [manifests.container("Deployment")["ports"][0]["name"]]
    assert len(incoming["from"]) == 2
    assert ports == [(53, "UDP"), (53, "TCP"), (5432, "TCP")]


def find_secret_keys(container: Manifest) -> Iterator[tuple[str, str, str]]:
    for variable in container["env"]:
        if "valueFrom" in variable:
            key = variable["valueFrom"]["secretKeyRef"]
            yield variable["name"], key["key"], key["name"]


def test_refers_to_secrets_but_contains_none(manifests: Manifests) -> None:
    name = manifests["Deployment"]["metadata"]["name"]
    uri, token = (("SQLALCHEMY_DATABASE_URI",) * 2, ("MAINTENANCE_TOKEN",) * 2)

    assert "Secret" not in manifests.by_kind
    assert list(find_secret_keys(manifests.container("Deployment"))) == [(*uri, name), (*token, name)]
    assert list(find_secret_keys(manifests.container("Job"))) == [(*uri, name)]


@pytest.mark.parametrize("manifests", ANSWERS[:2], indirect=True, ids=["plain", "prefix"])
def test_probes_request_paths_that_the_service_answers(manifests: Manifests, commands: Commands) -> None:
    """Without a database the service is alive, but not ready."""
    container = manifests.container("Deployment")
    started, alive, ready = (container[probe]["httpGet"]["path"] for probe in PROBES)
    settings = {each["name"]: each["value"] for each in container["env"] if "value" in each}

    settings["SQLALCHEMY_DATABASE_URI"] = UNREACHABLE

    with commands.serve(manifests.project, answers=started, **settings) as service:
        assert service.get(alive).status_code == 200
        answer = service.get(ready)

    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
