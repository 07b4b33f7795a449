"""Text of documents, of models and of file names → Markdown that shows it as it stands: no link, no picture, no HTML.

Whoever wrote a document has a say in every title, quote and file name that we write. As Markdown, `![](http://…)` in
one of them would fetch a picture from a server of theirs as soon as somebody opens the summary.
"""

import re
from collections.abc import Sequence

# What ends a line or turns its direction; Linux allows all of it in file names.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# What CommonMark, GitHub's dialect of it or a linkifier takes for a mark of its own («1~3, 4~5» is struck through on
# GitHub), and the dots, slashes and @ by which they find addresses to link. Our own markers, [1], stay readable;
# the bracket or colon behind one that would make a link or a definition of it does not.
SYNTAX = re.compile(
    r"(?P<marker>\[\d{1,3}\])|(?<=\d\])[(:]|[\\`*_~$#|<&\[\]]|/(?=/)"
    r"|\.(?=[^\W\d가-힣])|(?<=[A-Za-z])\.(?=\S)|(?<=[wW])\.|@+"
)
# All others go behind a backslash. GitHub links an address of mail even if its @ is escaped, but not across code.
WRITTEN = {"<": "&lt;", "&": "&amp;", "@": "`{}`"}
# What begins a list, a quote, a heading or a rule if it is the first on a line: the backslash goes behind the group.
BLOCK_START = re.compile(r"^((?=[-+>=])|\d{1,9}(?=[.)](?:\s|$)))")
BULLET = "- "


def plain_line(text: str) -> str:
    """`text` on one line, each run of blanks, line breaks and control characters as one blank."""
    return " ".join(CONTROLS.sub(" ", text).split())


def markdown_words(text: str) -> str:
    """`text` on one line as Markdown shows it behind other words of a line: in a heading, or in quotation marks."""
    return SYNTAX.sub(_as_itself, plain_line(text))


def markdown_line(text: str) -> str:
    """`text` on one line as Markdown shows it at the beginning of a paragraph, or of an item of a list."""
    return BLOCK_START.sub(r"\1\\", markdown_words(text))


def markdown_lines(text: str) -> str:
    """`text`, each line as `markdown_line` writes it; lines that begin with «- » are items of a list."""
    return "\n".join(
        BULLET + markdown_line(line.removeprefix(BULLET)) if line.startswith(BULLET) else markdown_line(line)
        for line in text.splitlines()
    )


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a cell's line breaks become `<br>`, the only HTML in what this module writes."""
    lines = [[markdown_cell(cell) for cell in line] for line in (columns, *rows)]
    lines.insert(1, ["---"] * len(columns))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown_cell(cell: str) -> str:
    """`cell` as a Markdown table shows it, character for character."""
    return "<br>".join(map(markdown_words, cell.splitlines()))


def _as_itself(mark: re.Match[str]) -> str:
    return mark[0] if mark["marker"] else WRITTEN.get(mark[0][0], "\\{}").format(mark[0])
