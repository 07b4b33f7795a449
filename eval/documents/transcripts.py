"""Sessions and Python in the documents → what they print when they are run, beside what stands there.

A block of `console` is a session: lines that begin with `$ rag` are run, in this process, and what they print is
compared with the lines below each. A block of `python` is run, and a block of `text` right after it holds what it
prints. In what stands on the page a line «…» stands for any lines. Blocks marked `no-run` are left out.

Every page is run in a fresh folder that holds the sample documents and an index of them, which is made once: README,
run first, ingests them itself. A process speaks one language, so each language is run in a process of its own.
"""

import contextlib
import io
import json
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from eval.documents.languages import spoken
from eval.documents.pages import LANGUAGES, ROOT, fences, page_of

SAMPLES = ROOT / "eval" / "samples"
CUT = "…"
FIRST = "README"  # it ingests the samples, and the pages after it begin with what it made
INGEST = "$ rag ingest eval/samples"
PROMPTS = ("Question> ", "질문> ")
# What differs from run to run: seconds, rates and sizes of files.
CHANGING = (
    (re.compile(r"\d[\d,]*(?:\.\d+)? ?(?=s\b|초)"), "0 "),
    (re.compile(r"\d[\d,]*(?= pages/s)|(?<=초당 )\d[\d,]*(?=쪽)"), "0"),
    (re.compile(r"\d[\d,]*\.\d MB"), "0 MB"),
    (re.compile(r'("seconds": )[\d.e-]+'), r"\g<1>0"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """A command or a piece of Python, where its output stands on the page, and what stands there."""

    page: str
    source: str
    start: int
    end: int
    expected: str


def steps(page: str, text: str) -> list[Step]:
    """What is run of a page, in order."""
    found: list[Step] = []
    blocks = fences(text)
    for number, block in enumerate(blocks):
        if not block.runs:
            continue
        if block.language == "console":
            found += _session(page, block.body, block.start)
        elif block.language == "python":
            after = blocks[number + 1] if number + 1 < len(blocks) else None
            between = text[block.end : after.start] if after else ""
            printed = after and after.language == "text" and between.split() == ["```", "```text"]
            place = (after.start, after.end, after.body) if printed else (block.end, block.end, "")
            found.append(Step(page, block.body, *place))
    return found


def _session(page: str, body: str, offset: int) -> list[Step]:
    """The commands of a session, each with the lines below it up to the next."""
    found = []
    commands = list(re.finditer(r"^\$ (?P<command>.*(?:\\\n.*)*)\n", body, re.M))
    for number, match in enumerate(commands):
        end = commands[number + 1].start() if number + 1 < len(commands) else len(body)
        printed = body[match.end() : end]
        kept = printed.rstrip("\n") + "\n" if printed.strip() else ""
        start = offset + match.end()
        found.append(Step(page, "$ " + match["command"], start, start + len(kept), kept))
    return found


def matches(expected: str, printed: str) -> bool:
    """Whether `printed` is what stands on the page, but for times, sizes and what «…» stands for."""
    lines = settled(expected).splitlines()
    pattern = "".join(r"(?:.*\n)*?" if line == CUT else re.escape(line) + r"\n" for line in lines)
    return re.fullmatch(pattern, settled(printed)) is not None


def settled(text: str) -> str:
    """Text without what differs from run to run, and without blanks at ends of lines."""
    for pattern, standing in CHANGING:
        text = pattern.sub(standing, text)
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    return "".join(f"{line}\n" for line in lines)


def run_language(language: str, pages: Sequence[str]) -> list[tuple[Step, str]]:
    """Each step of `pages` in a language, and what it printed, run in a process of its own.

    Raises:
        RuntimeError: the process failed; the message is its error output.
    """
    todo = [
        asdict(step) for name in pages for step in steps(name, page_of(name, language).read_text("utf-8"))
    ]
    said = spoken("eval.documents.transcripts", language, json.dumps(todo))
    printed = json.loads(said.splitlines()[-1])
    return [(Step(**step), text) for step, text in zip(todo, printed, strict=True)]


def rewrite(pages: Sequence[str], *, write: bool = True) -> list[str]:
    """Put what is printed today in the place of what no longer holds; returns the places that differ."""
    changed = []
    for language in LANGUAGES:
        texts = {name: page_of(name, language).read_text("utf-8") for name in pages}
        for step, printed in reversed(run_language(language, pages)):
            if not matches(step.expected, printed):
                text = texts[step.page]
                gap = "\n" * text.startswith("$ ", step.end)  # between what is printed and the next command
                texts[step.page] = text[: step.start] + settled_ends(printed) + gap + text[step.end :]
                changed.append(f"{language}/{step.page}: {step.source.splitlines()[0]}")
        for name, text in texts.items() if write else ():
            page_of(name, language).write_text(text, "utf-8")
    return changed


def settled_ends(printed: str) -> str:
    """What was printed, without blank lines around it and blanks at ends of lines."""
    return "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").splitlines())


# in the process that speaks one language


def run_steps(todo: Sequence[Step]) -> Iterator[str]:
    """What each step prints, page by page."""
    with tempfile.TemporaryDirectory() as folder:
        place, made = Path(folder, "place"), Path(folder, "made")
        for page in dict.fromkeys(step.page for step in todo):
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(SAMPLES, place / "eval" / "samples")
            with contextlib.chdir(place):
                if page != FIRST and not made.exists():
                    printed_by(INGEST, {})
                    shutil.copytree("rag-index", made)
                elif page != FIRST:
                    shutil.copytree(made, "rag-index")
                names: dict[str, object] = {}
                for step in todo:
                    if step.page == page:
                        yield printed_by(step.source, names, step.expected).replace(str(place), "")
                if page == FIRST:
                    shutil.copytree("rag-index", made)


def printed_by(source: str, names: dict[str, object], expected: str = "") -> str:
    """What a command or a piece of Python prints, on either stream."""
    printed = io.StringIO()
    typed = "".join(
        line.removeprefix(prompt) + "\n"
        for line in expected.splitlines()
        for prompt in PROMPTS
        if line.startswith(prompt)
    )
    before = sys.stdin
    sys.stdin = io.StringIO(typed)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            if source.startswith("$ "):
                from rag.cli.main import main

                main(shlex.split(source.removeprefix("$ rag").replace("\\\n", " "), comments=True))
            else:
                exec(compile(source, "<page>", "exec"), names)
    finally:
        sys.stdin = before
    return printed.getvalue()


if __name__ == "__main__":
    results = list(run_steps([Step(**step) for step in json.loads(sys.stdin.read())]))
    print(json.dumps(results))
