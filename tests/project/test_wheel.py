"""The wheel holds all of the product and nothing else, and answers a question where the checkout is not."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from eval.dataset import SAMPLES

ROOT = Path(__file__).parents[2]
PACKAGES = ("ingest", "indexes", "rag")
NOT_SHIPPED = ("eval", "tests")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy: setuptools leaves folders where it builds."""
    source = tmp_path_factory.mktemp("source")
    for name in (*PACKAGES, *NOT_SHIPPED):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    out = tmp_path_factory.mktemp("wheel")
    done(
        pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(out), str(source))
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def rag(wheel: Path, tmp_path_factory) -> Path:
    """The command of an environment that has the wheel and the installed libraries, and not the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    done([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    (site,) = folder.glob("lib/python*/site-packages")
    # A .pth file names these folders. Python does not read .pth files inside them, which could add the checkout.
    libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "libraries.pth").write_text("\n".join(libraries), "utf-8")
    python = str(folder / "bin" / "python")
    done(pip("--python", python, "install", "--no-deps", "--no-index", "--no-compile", str(wheel)))
    return folder / "bin" / "rag"


def pip(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]


def done(command: list[str], folder: Path | None = None) -> str:
    """What `command` writes when it runs outside the checkout; asserts that it succeeds."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        command, cwd=folder or "/", env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def test_every_room_and_every_data_file_is_in_the_wheel_and_nothing_else(wheel):
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    ours = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert (ours - held, held - ours) == (set(), set())
    assert not {name.split("/")[0] for name in held} & set(NOT_SHIPPED)


def test_what_is_installed_from_it_answers_a_question(rag, tmp_path):
    where = done([str(rag.with_name("python")), "-c", "import rag; print(rag.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(rag.parents[1])
    report = json.loads(done([str(rag), "ingest", str(SAMPLES / "취업규칙.pdf"), "--json"], tmp_path))
    assert report["documents"]["added"] == 1
    answer = json.loads(done([str(rag), "ask", "연차유급휴가는 며칠인가요?", "--json"], tmp_path))
    assert not answer["abstained"]
    citation = answer["citations"][0]
    assert citation["first_page"] >= 1 and citation["quote"]
    span = ["--start", str(citation["start"]), "--end", str(citation["end"])]
    text = json.loads(done([str(rag), "text", citation["document_id"], *span, "--json"], tmp_path))
    assert text["text"] == citation["quote"]
