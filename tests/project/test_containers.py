"""The container files say what the code says. They are read here, not built: that takes an engine."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from rag.cli.main import main
from rag.config import load_config

ROOT = Path(__file__).parents[2]
SERVICE_KEYS = {
    *("image", "build", "command", "entrypoint", "environment", "volumes", "depends_on", "profiles"),
    *("ipc", "init", "deploy", "healthcheck", "restart"),
}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """The instructions of the Containerfile, with what follows each."""
    text = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


@pytest.fixture
def shown(capsys) -> dict:
    """What `rag serve-model` shows for the configuration of the containers."""
    config = str(ROOT / "container.toml")
    assert main(["serve-model", "--json", "--config", config, "--tokenizer-dir", "/tokenizer"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_server_is_started_as_serve_model_says(compose, shown):
    model = compose["services"]["model"]
    assert model["entrypoint"] == []
    assert model["command"] == shown["command"]
    assert model["environment"] == shown["environment"]
    (device,) = model["deploy"]["resources"]["reservations"]["devices"]
    assert device["count"] == shown["memory"]["gpus"]


def test_the_server_is_the_vllm_that_is_pinned(compose):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (version,) = re.findall(r"vllm==([\d.]+)", " ".join(project["optional-dependencies"]["gpu"]))
    assert compose["services"]["model"]["image"] == f"vllm/vllm-openai:v{version}"


def test_the_product_asks_the_server_by_its_name_and_finds_its_files(compose):
    config = load_config(ROOT / "container.toml")
    assert config.generator.base_url == "http://model:8000/v1"
    mounts = {volume.rsplit(":", 1)[0].rpartition(":")[2] if volume.endswith(":ro") else volume.rpartition(":")[2]
              for volume in compose["services"]["rag"]["volumes"]}  # fmt: skip
    assert {"/models", "/rag", "/tokenizer", "/rag/rag.toml"} <= mounts
    for path in (config.models.tokenizer, config.serving.weights):
        assert path.startswith("/models/")
    assert compose["services"]["tokenizer"]["command"] == ["serve-model", "--tokenizer-dir", "/tokenizer"]


def test_every_service_is_of_known_keys_services_and_volumes(compose):
    services = compose["services"]
    for service in services.values():
        assert service.keys() <= SERVICE_KEYS
        assert all(isinstance(word, str) for word in service.get("command", []))
        assert all(isinstance(value, str) for value in service.get("environment", {}).values())
        for name, need in service.get("depends_on", {}).items():
            assert name in services and need["condition"] in CONDITIONS
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert source.startswith((".", "$")) or source in compose["volumes"]
    assert services["model"]["healthcheck"] and "ports" not in services["model"]
    assert compose["networks"]["default"] == {"internal": True}


def test_images_are_pinned_and_of_no_named_registry(compose, steps):
    images = [service["image"] for service in compose["services"].values() if "build" not in service]
    images += [rest for word, rest in steps if word == "FROM"]
    for image in images:
        name, _, tag = image.partition(":")
        assert tag and tag != "latest" and "." not in name.split("/")[0]


def test_what_is_copied_is_there_and_not_ignored(steps):
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sources = [source for word, rest in steps if word == "COPY" for source in rest.split()[:-1]]
    for source in sources:
        assert (ROOT / source).exists() and f"!{source}" in ignored
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    rooms = project["tool"]["setuptools"]["packages"]["find"]["include"]
    needed = {*(room.rstrip("*") for room in rooms), *project["project"]["license-files"]}
    assert needed | {"pyproject.toml", project["project"]["readme"]} <= {*sources}


def test_the_product_does_not_run_as_root(steps):
    assert [rest for word, rest in steps if word == "USER"] == ["rag"]
    assert [rest for word, rest in steps if word == "ENTRYPOINT"] == ['["rag"]']
    positions = {word: place for place, (word, _) in enumerate(steps)}
    assert positions["RUN"] < positions["USER"] < positions["ENTRYPOINT"]
