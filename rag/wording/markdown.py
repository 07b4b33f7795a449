"""Text from documents, models and file names → Markdown that shows it literally: no link, no picture, no HTML.

The author of a document controls the titles, quotes and file names that we write. Left unescaped, `![](http://…)` in
one of them would load a picture from the author's server as soon as somebody opens the summary.
"""

import re
from collections.abc import Sequence

# Characters that end a line or turn its direction; Linux allows them in file names, NUL excepted.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# Characters that CommonMark, GitHub's dialect of it or a linkifier takes for markup («1~3, 4~5» is struck through on
# GitHub), and the dots, slashes and @ by which they find addresses to link. Our own markers, [1], are not escaped;
# a bracket or colon right behind one is, because it would make a link or a definition of it.
SYNTAX = re.compile(
    r"(?P<marker>\[\d{1,3}\])|(?<=\d\])[(:]|[\\`*_~$#|<&\[\]]|/(?=/)"
    r"|\.(?=[^\W\d가-힣])|(?<=[A-Za-z])\.(?=\S)|(?<=[wW])\.|@+"
)
# Replacements; all other characters get a backslash. GitHub links a mail address even if its @ is escaped by a
# backslash, but not if the @ is code.
WRITTEN = {"<": "&lt;", "&": "&amp;", "@": "`{}`"}
# What begins a list, a quote, a heading or a rule at the start of a line: the backslash goes behind the group.
BLOCK_START = re.compile(r"^((?=[-+>=])|\d{1,9}(?=[.)](?:\s|$)))")
BULLET = "- "


def plain_line(text: str) -> str:
    """`text` on one line; each run of blanks, line breaks and control characters becomes one blank."""
    return " ".join(CONTROLS.sub(" ", text).split())


def markdown_words(text: str) -> str:
    """`text` on one line, escaped for the middle of a line: in a heading, or in quotation marks."""
    return SYNTAX.sub(_as_itself, plain_line(text))


def markdown_line(text: str) -> str:
    """`text` on one line, escaped for the beginning of a paragraph or of a list item."""
    return BLOCK_START.sub(r"\1\\", markdown_words(text))


def markdown_lines(text: str) -> str:
    """`text` with each line escaped as by `markdown_line`; lines that begin with «- » stay list items."""
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
    """`cell` escaped for a Markdown table."""
    return "<br>".join(map(markdown_words, cell.splitlines()))


def _as_itself(mark: re.Match[str]) -> str:
    return mark[0] if mark["marker"] else WRITTEN.get(mark[0][0], "\\{}").format(mark[0])
