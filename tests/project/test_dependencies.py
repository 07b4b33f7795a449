"""What the product imports is declared, and what is declared is imported."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("ingest", "indexes", "rag")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# Imported by the name of their distribution, but not necessarily installed where the tests run.
EXTRAS = {"vllm": "vllm"}


def declared(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in requirements}


def imported() -> set[str]:
    """The distributions that the product's files import, also inside functions."""
    modules = set()
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.split(".")[0])
    known = packages_distributions()
    outside = modules - sys.stdlib_module_names - set(PACKAGES)
    return {EXTRAS.get(module) or known[module][0].lower().replace("_", "-") for module in outside}


def test_what_is_imported_at_run_time_is_declared():
    extras = {name: wanted for name, wanted in PROJECT["optional-dependencies"].items() if name != "dev"}
    everything = declared([*PROJECT["dependencies"], *(one for wanted in extras.values() for one in wanted)])
    assert imported() - everything == set()


def test_nothing_is_declared_that_the_product_does_not_import():
    assert declared(PROJECT["dependencies"]) - imported() == set()
