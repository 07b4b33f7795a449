"""Which markers an answer may hold: what may be generated, what is dropped, what is settled while it streams."""

import re
from collections.abc import Collection, Iterable
from itertools import takewhile

from rag.prompting.prompts import ABSTENTION, MARKER, NONE_HERE, in_other_brackets

# A longer list of numbers is no marker, so at most this many characters are held back until they are settled.
LONGEST_MARKER = 160
TOKEN = re.compile(
    rf"(?P<opened>[\[［][\d\s,，·]{{0,{LONGEST_MARKER - 2}}})(?P<closed>[\]］])?"
    r"|(?P<gap>\s+)"
    r"|(?P<words>[^\s\[\]［］]+|[\]］])"
)


def marker_grammar(markers: Iterable[int], columns: int = 0) -> str:
    """A regular expression for texts in which [ ] stand only around one of `markers`.

    With `columns` above 0 the texts are rows: on each line `columns` cells with «|» between them, then at least
    one marker; or the phrase `NONE_HERE` alone. Full-width brackets, which are read as markers too, may not be
    written at all.

    The markers are plain alternatives, even 120 of them: vLLM's grammars (xgrammar 0.2.8, a vocabulary of
    102,400) compile in 20 to 60 ms, once for each number of passages, and then take 8 µs per token. As one
    loop over characters and markers the grammar takes 30 ms per token; with the cells counted as «{2}», 3 ms.
    """
    words, cell = r"[^\[\]［］]*", r" ?[^\[\]［］|｜\t\r\n ][^\[\]［］|｜\t\r\n]*"
    numbers = "|".join(map(str, markers))
    if columns:
        row = r"\|".join([cell] * columns) + rf"(\[({numbers})\] ?)+"
        return rf"{NONE_HERE}|{row}(\n{row})*" if numbers else NONE_HERE
    return rf"{words}(\[({numbers})\]{words})*" if numbers else words


class MarkerFilter:
    """Generated text in pieces → the text as it will stand in the answer, as far as that is settled.

    A marker of a passage that was shown is written [n], and «[1, 3]» as [1][3]. Other markers are left out and
    counted in `dropped`. Brackets that are no markers are written 〔 〕, so that in an answer [ ] are only
    markers. Several blanks become one, several empty lines one; none stays before a full stop or at the ends.

    The result does not depend on where the text was cut into pieces. There is nothing to call at the end: a
    marker that is still open then was cut by the output limit, and is left out.
    """

    def __init__(self, known: Collection[int]) -> None:
        self.dropped = 0
        self._known = frozenset(known)
        self._held = ""  # an opened bracket that may become a marker
        self._gap = ""  # white space that is written when something follows it
        self._begun = False

    def feed(self, piece: str) -> str:
        """The text that is settled now that `piece` has come: it may be empty, or longer than the piece."""
        text, position = self._held + piece, 0
        settled = []
        while token := TOKEN.match(text, position):
            position = token.end()
            if token["gap"]:
                self._gap = _one_gap(self._gap + token["gap"])
            elif token["words"]:
                settled.append(self._written(in_other_brackets(token["words"])))
            elif MARKER.fullmatch(token[0]):
                settled.append(self._written(self._markers(token[0])))
            elif position == len(text) and not token["closed"]:
                position = token.start()
                break
            else:
                settled.append(self._written(in_other_brackets(token[0][0])))
                position = token.start() + 1
        self._held = text[position:]
        return "".join(settled)

    def _markers(self, written: str) -> str:
        wanted = dict.fromkeys(int(number) for number in re.findall(r"\d+", written))
        kept = [number for number in wanted if number in self._known]
        self.dropped += len(wanted) - len(kept)
        return "".join(f"[{number}]" for number in kept)

    def _written(self, text: str) -> str:
        """The held gap, then `text`; if `text` is empty, the gap is held on."""
        if not text:
            return ""
        gap = self._gap if self._begun and not (self._gap == " " and text[0] in ".,!?。") else ""
        self._gap, self._begun = "", True
        return gap + text


def _one_gap(blanks: str) -> str:
    """White space as it is written: at most one empty line, at most one blank, none at a line's end."""
    return "\n" * min(blanks.count("\n"), 2) + (" " if blanks[-1] != "\n" else "")


def clean_markers(generated: str, known: Collection[int]) -> tuple[str, int]:
    """`generated` as `MarkerFilter` writes it, and the number of markers not in `known`, which are left out."""
    markers = MarkerFilter(known)
    return markers.feed(generated), markers.dropped


def abstains(text: str) -> bool:
    """Whether `text` is empty, or says nothing but that the documents hold no answer."""
    return _said(text) in ("", _said(ABSTENTION))


def says_none_here(text: str) -> bool:
    """Whether `text` says nothing but that this part of a document holds nothing of what was asked for."""
    return _said(text) == _said(NONE_HERE)


def _said(text: str) -> str:
    """The words of `text`, without markers, quotation marks and blanks."""
    return re.sub(r"\W+", "", MARKER.sub("", text))


class SettledText:
    """Generated text in pieces → pieces of the answer that can be shown, because they will not change.

    An answer that abstains is replaced by `ABSTENTION` at its end. So while a text says no more than that
    phrase, only the beginning that it has in common with the phrase is shown.
    """

    def __init__(self, known: Collection[int]) -> None:
        self._markers = MarkerFilter(known)
        self._may_abstain = True
        self._shown = 0  # characters of `_text`, which grows only while the text may abstain
        self._text = ""

    def feed(self, piece: str) -> str:
        """The text that can be shown now that `piece` has come; may be empty."""
        settled = self._markers.feed(piece)
        if not self._may_abstain:
            return settled
        self._text += settled
        self._may_abstain = _said(ABSTENTION).startswith(_said(self._text))
        certain = _common(self._text, ABSTENTION) if self._may_abstain else len(self._text)
        before, self._shown = self._shown, certain
        return self._text[before:certain]


def _common(one: str, other: str) -> int:
    """The number of characters that both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
