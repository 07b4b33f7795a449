"""A Markdown file → its headings, fenced blocks and links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LANGUAGES = ("en", "ko")
FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<body>.*?)^```[ \t]*$", re.M | re.S)
HEADING = re.compile(r"^(#{1,6}) (.+)$", re.M)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
NO_RUN = "no-run"


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: its language, whether it can be run here, and where its body stands in the page."""

    language: str
    runs: bool
    body: str
    start: int
    end: int


def written_pages() -> list[Path]:
    """Every document that people write or read: the two READMEs and all of `docs`."""
    return [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").rglob("*.md"))]


def page_of(name: str, language: str) -> Path:
    """The page `name` in a language; README.md stands at the top of the project."""
    if name == "README":
        return ROOT / ("README.md" if language == "en" else "README.ko.md")
    return ROOT / "docs" / language / name


def runnable() -> list[str]:
    """The names of the pages whose sessions and Python can be run: README, and those of `docs/en`."""
    made = ("reference-",)
    names = (path.name for path in sorted((ROOT / "docs" / "en").glob("*.md")))
    return ["README", *(name for name in names if not name.startswith(made))]


def fences(text: str) -> list[Fence]:
    """The fenced blocks of a page, in order."""
    return [
        Fence(
            language=(match["info"].split() or [""])[0],
            runs=NO_RUN not in match["info"].split(),
            body=match["body"],
            start=match.start("body"),
            end=match.end("body"),
        )
        for match in FENCE.finditer(text)
    ]


def prose(text: str) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", text)


def headings(text: str) -> list[tuple[int, str]]:
    """Level and words of each heading, in order."""
    return [(len(marks), words.strip()) for marks, words in HEADING.findall(prose(text))]


def links(text: str) -> Iterator[str]:
    """The targets of a page's links that lead into the project."""
    for match in LINK.finditer(prose(text)):
        if "://" not in match["target"]:
            yield match["target"]


def anchor(words: str) -> str:
    """The anchor that GitHub gives a heading: small letters, hyphens, no punctuation."""
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")


def commands(body: str) -> list[str]:
    """The `rag …` lines of a block, without prompt and remark; a line that ends in a backslash goes on."""
    joined = body.replace("\\\n", " ")
    lines = (re.sub(r"\s+#\s.*$", "", line).removeprefix("$ ").strip() for line in joined.splitlines())
    return [line for line in lines if line.startswith("rag ")]


def code(fence: Fence) -> list[str]:
    """What both languages have in common: of a session the commands, of other code all but remarks."""
    if fence.language == "console":
        return [line for line in fence.body.splitlines() if line.startswith("$ ")]
    if fence.language == "text":
        return []  # what a program printed, in the language of the page
    lines = (re.sub(r"\s*#\s.*$", "", line).rstrip() for line in fence.body.splitlines())
    return [line for line in lines if line]
