"""Generated text with markers → sentences, and citations with the exact words of the document."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.korean import sentence_spans
from rag.answer import Citation, PackedPassage, Sentence, Support
from rag.prompts import ABSTENTION, MARKER
from rag.support import best_span, strongest, verdict

# Markers as `clean_markers` writes them; [2024] is no marker but somebody's text.
CLEAN = r"\[(\d{1,3})\]"
MARKERS_BEFORE = re.compile(rf"(?:\s*{CLEAN})+")
# A marker that the output limit cut, at the end of the text.
CUT_MARKER = re.compile(r"\s*[\[［][\d\s,]*$")


@dataclass(frozen=True, slots=True)
class Resolved:
    """The text with only good markers, its sentences and citations; `dropped` markers were bad."""

    text: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    dropped: int


def resolve(
    generated: str,
    passages: Sequence[PackedPassage],
    pages_of: Callable[[str, int, int], tuple[int, int]],
) -> Resolved:
    """Turn the markers in `generated` into citations of `passages`; others are dropped and counted.

    Args:
        pages_of: first and last page of the span of a document, by its id.
    """
    by_marker = {passage.marker: passage for passage in passages}
    text, dropped = clean_markers(generated, by_marker.keys())
    sentences, citations = [], []
    for start, end, markers in _cited_spans(text):
        claim = MARKER.sub("", text[start:end])
        made = [_cite(len(sentences), claim, by_marker[marker], pages_of) for marker in markers]
        support: Support = strongest(citation.support for citation in made)
        sentences.append(Sentence(text[start:end], start, end, markers, support))
        citations += made
    return Resolved(text, tuple(sentences), tuple(citations), dropped)


def abstains(text: str) -> bool:
    """Whether `text` says that the documents hold no answer, and nothing else."""
    said = re.sub(r"[\s«»\"'.。]", "", MARKER.sub("", text))
    return said in ("", re.sub(r"[\s.]", "", ABSTENTION))


def clean_markers(generated: str, known: Sequence[int]) -> tuple[str, int]:
    """`generated` with every marker written [n], unknown ones gone, and how many those were."""
    dropped = 0

    def rewrite(match: re.Match) -> str:
        nonlocal dropped
        wanted = [int(number) for number in re.findall(r"\d+", match[1])]
        kept = [number for number in dict.fromkeys(wanted) if number in known]
        dropped += len(set(wanted) - set(kept))
        return "".join(f"[{number}]" for number in kept)

    text, before = generated, None
    while text != before:  # what is left around a dropped marker may be one, too
        before = text
        text = MARKER.sub(rewrite, CUT_MARKER.sub("", text))
        text = re.sub(r"[ \t]+([.,!?。])", r"\1", text)  # what a dropped marker leaves
        text = re.sub(r"[ \t]{2,}", " ", text).strip()
    return text, dropped


def _cited_spans(text: str) -> list[tuple[int, int, tuple[int, ...]]]:
    """Sentences of `text` without the markers around their ends: (start, end, markers)."""
    spans: list[tuple[int, int, tuple[int, ...]]] = []
    for start, end in sentence_spans(text):
        # «…다. [1] 다음 문장»: markers before a sentence belong to the one before it.
        if spans and (before := MARKERS_BEFORE.match(text, start, end)):
            previous_start, previous_end, markers = spans[-1]
            found = _markers(before[0])
            spans[-1] = (previous_start, previous_end, tuple(dict.fromkeys(markers + found)))
            start = before.end()
        words_end = start + len(re.sub(rf"(?:\s|{CLEAN})+$", "", text[start:end]))
        words_start = start + len(text[start:end]) - len(text[start:end].lstrip())
        if words_end > words_start:
            spans.append((words_start, words_end, _markers(text[start:end])))
    return spans


def _markers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(number) for number in re.findall(CLEAN, text)))


def _cite(
    sentence: int,
    claim: str,
    passage: PackedPassage,
    pages_of: Callable[[str, int, int], tuple[int, int]],
) -> Citation:
    start, end = best_span(claim, passage.text)
    quote = passage.text[start:end]
    start, end = passage.start + start, passage.start + end
    around = f"{passage.title}\n{passage.context}"
    return Citation(
        sentence,
        passage.marker,
        passage.document_id,
        passage.path,
        passage.title,
        *pages_of(passage.document_id, start, end),
        start,
        end,
        quote,
        verdict(claim, quote, around),
    )
