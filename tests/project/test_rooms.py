"""The house has rooms: few files in each, no circle between files, and one direction between rooms.

A room is a folder of code. The files that stand at the top of a package (`rag/config.py`) are doors and
foundations, some below all rooms of the package and some above, so each of them counts as a room by itself.
"""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("ingest", "indexes", "rag", "eval")  # each imports only those to its left
MOST_FILES = 12
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imported(code: str) -> Iterator[str]:
    """The project's modules that `code` imports anywhere in it, also inside functions and by a name in quotes."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in MODULES or node.module in MODULES:
                    yield inner if inner in MODULES else node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            given = (*node.args, *(keyword.value for keyword in node.keywords))
            yield from (
                each.value for each in given if isinstance(each, ast.Constant) and each.value in MODULES
            )


def room_of(module: str) -> str:
    """The folder of a module; of a file at the top of a package, the file itself."""
    parts = MODULES[module].relative_to(ROOT).parent.parts
    return ".".join(parts) if len(parts) > 1 else module


IMPORTS = {
    module: sorted(set(imported(path.read_text("utf-8"))) - {module}) for module, path in MODULES.items()
}


def between_rooms() -> dict[str, list[str]]:
    """Room → the other rooms that it imports from."""
    rooms: dict[str, set[str]] = {}
    for module, others in IMPORTS.items():
        rooms.setdefault(room_of(module), set()).update(room_of(other) for other in others)
    return {room: sorted(others - {room}) for room, others in rooms.items()}


ARROWS = between_rooms()


def circle(arrows: Mapping[str, list[str]]) -> list[str]:
    """Names along `arrows` that lead back to the first, a circle; empty if there is none."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in arrows.get(name, []):
            if found := walk(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in arrows if (found := walk(name, []))), [])


def test_an_import_is_seen_wherever_it_stands():
    """A name in quotes that is not imported here, such as that of a helper process, is none."""
    code = """
import rag.config
def show():
    from rag import answer
    import_module("rag.display.text")
    importlib.import_module(name="rag.display.html")
    __import__("indexes.open")
    import_module("json")
    run("ingest.workers.helper")
"""
    assert sorted(imported(code)) == [
        "indexes.open",
        "rag.answer",
        "rag.config",
        "rag.display.html",
        "rag.display.text",
    ]


def test_a_circle_is_found():
    assert circle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]
    assert circle({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_no_file_imports_itself_in_a_circle():
    assert " → ".join(circle(IMPORTS)) == ""


def test_rooms_import_one_another_in_one_direction():
    assert " → ".join(circle(ARROWS)) == ""


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_those_to_its_left(package):
    allowed = PACKAGES[: PACKAGES.index(package) + 1]
    wrong = [
        f"{module} → {other}"
        for module, others in IMPORTS.items()
        for other in others
        if module.split(".")[0] == package and other.split(".")[0] not in allowed
    ]
    assert wrong == []


def test_no_folder_holds_more_than_a_dozen_files_of_code():
    folders = {path.parent for top in (*PACKAGES, "tests") for path in (ROOT / top).rglob("*.py")}
    counts = {
        str(folder.relative_to(ROOT)): len([p for p in folder.glob("*.py") if p.name != "__init__.py"])
        for folder in sorted(folders)
    }
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


@pytest.mark.parametrize("room", sorted({path.parent for path in MODULES.values()}), ids=lambda p: p.name)
def test_a_room_says_what_goes_in_and_what_comes_out(room):
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text("utf-8")))
    assert said and "\n" not in said.strip().splitlines()[0] and len(said.splitlines()[0]) <= 110


def test_no_test_takes_anything_from_a_file_of_tests():
    """What several test files need stands in tests/support."""
    taking = re.compile(r"\btests(\.\w+)*\.test_\w+")  # also inside programs that a test hands to a process
    files = sorted((ROOT / "tests").rglob("*.py"))
    found = {str(path.relative_to(ROOT)): taking.search(path.read_text("utf-8")) for path in files}
    assert {name: match.group() for name, match in found.items() if match} == {}


def test_the_picture_of_the_house_shows_every_room():
    picture = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    rooms = {path.parent for path in MODULES.values() if path.parent.parent != ROOT}
    assert sorted(room.name for room in rooms if f"{room.name}/" not in picture) == []


def test_the_picture_of_the_house_names_no_file_that_is_gone():
    files = {path.stem for path in MODULES.values()} | {path.parent.name for path in MODULES.values()}
    picture = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named = re.findall(r"\b[a-z]+/([a-z_]+)\b(?!/|\.)", picture)
    assert sorted({name for name in named if name not in files}) == []


def places_of(picture: str) -> dict[str, int]:
    """Room → the line on which the picture of the house shows it.

    A room stands on the line that begins with it, or else on the first line of its package whose words name it.
    """
    lines = picture.split("\n## Rooms", 1)[1].split("```")[1].splitlines()
    begun: dict[str, int] = {}
    named: dict[str, int] = {}
    package = ""
    for number, line in enumerate(lines):
        if found := re.match(r"(\w+)/(.*)", line):
            package, words = found.groups()
            head = ""
        else:
            head, words = re.fullmatch(r" *(.*?)(?:  (.*))?", line).groups(default="")
        begun.update({f"{package}.{name.strip('/')}": number for name in head.split()})
        for name in re.findall(r"\b(\w+)/", words):
            named.setdefault(f"{package}.{name}", number)
    return named | begun


def below(arrows: Mapping[str, Collection[str]], places: Mapping[str, int]) -> list[str]:
    """Those of `arrows` that lead to a line further down; a room in a room is shown by its own name."""

    def place(room: str) -> int | None:
        parts = room.split(".")
        return places.get(f"{parts[0]}.{parts[-1]}")

    found = []
    for room, others in arrows.items():
        for other in others:
            here, there = place(room), place(other)
            if here is not None and there is not None and here < there:
                found.append(f"{room} → {other}")
    return found


def test_the_order_of_a_picture_is_read():
    picture = """
## Rooms
```
ingest/          files by pdf/
  document raw   the types
  korean/ pdf/   text
  parse          all
rag/             questions
  asking/        the flow; streaming/ in pieces
  cli/           commands/ and terminal/
```
"""
    places = places_of(picture)
    order = ["ingest.raw", "ingest.pdf", "ingest.parse", "rag.asking", "rag.streaming", "rag.commands"]
    assert [places[room] - places["ingest.raw"] for room in order] == [0, 1, 2, 4, 4, 5]
    wrong = {"rag.streaming": ["rag.asking", "rag.cli.commands"], "rag.asking": ["ingest.raw", "rag"]}
    assert below(wrong, places) == ["rag.streaming → rag.cli.commands"]


def test_a_room_imports_none_that_stands_below_it_in_the_picture():
    assert below(ARROWS, places_of((ROOT / "ARCHITECTURE.md").read_text("utf-8"))) == []
