"""The documents say what the program is: both languages alike, links that lead somewhere, references that are not stale."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from eval.documents.pages import (
    LANGUAGES,
    ROOT,
    anchor,
    code,
    commands,
    fences,
    headings,
    links,
    page_of,
    prose,
    written_pages,
)
from eval.documents.references import made_references, meanings
from rag.cli.main import app

MOST_LINES = 150
NAMES = sorted(path.name for path in (ROOT / "docs" / "en").glob("*.md"))
PAGES = written_pages()


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_front_page_is_short(language):
    assert len(page_of("README", language).read_text("utf-8").splitlines()) <= MOST_LINES


def test_every_page_is_there_in_both_languages():
    assert sorted(path.name for path in (ROOT / "docs" / "ko").glob("*.md")) == NAMES


@pytest.mark.parametrize("name", ["README", *NAMES])
def test_both_languages_have_the_same_headings_and_code(name):
    english, korean = (page_of(name, language).read_text("utf-8") for language in LANGUAGES)
    assert [level for level, _ in headings(english)] == [level for level, _ in headings(korean)]
    blocks = [
        [(block.language, block.runs, code(block)) for block in fences(text)] for text in (english, korean)
    ]
    assert blocks[0] == blocks[1]


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_links_lead_somewhere(path):
    for target in links(path.read_text("utf-8")):
        file, _, place = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if place:
            assert place in {anchor(words) for _, words in headings(there.read_text("utf-8"))}, target


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_index_leads_to_every_page(language):
    linked = set(links(page_of("README.md", language).read_text("utf-8")))
    assert set(NAMES) - linked == {"README.md"}


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_commands_and_options_exist(path):
    known = typer.main.get_command(app).commands
    for block in fences(path.read_text("utf-8")):
        for line in commands(block.body):
            if block.language == "text":
                continue
            _, name, *words = shlex.split(line)
            assert name in known, line
            options = {option for parameter in known[name].params for option in parameter.opts}
            given = words[: words.index("--")] if "--" in words else words
            assert {word for word in given if re.match(r"--?[a-z]", word)} - {"--help"} <= options, line


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_make_targets_exist(path):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    text = path.read_text("utf-8")
    shown = "\n".join(block.body for block in fences(text) if block.language == "sh")
    for target in {
        *re.findall(r"`make ([a-z-]+)", prose(text)),
        *re.findall(r"^make ([a-z-]+)", shown, re.M),
    }:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_references_are_what_the_program_says():
    stale = [
        named(path)
        for path, text in made_references().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    assert not stale, "run `make docs`"


def test_a_key_without_a_meaning_in_both_languages_is_found():
    assert meanings("[a]\nb = 1  # 하나 / one\n") == {("a", "b"): ("하나", "one")}
    with pytest.raises(ValueError, match=r"a\.b"):
        meanings("[a]\nb = 1  # one\n")
