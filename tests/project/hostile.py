"""Runs all functions that take text of a document, question or model, and all patterns, on long strings of one unit.

python -m tests.project.hostile
"""

import json
import pkgutil
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import indexes
import ingest
import rag
from indexes.search import editions
from indexes.search.copies import shingles
from ingest.document import Chunk
from ingest.errors import UnreadableFile
from ingest.korean import aliases, analyse, expressions, noun_phrases
from ingest.parse import Parser
from ingest.structure import terms
from ingest.titles import title_of
from rag.conversing import conversation
from rag.evidence import citations, support
from rag.extracting import extract, found_actions, found_figures, priors, values
from rag.prompting import calls, markers, prompts
from rag.summarising import rows
from rag.summarising.kinds import FIGURES
from rag.wording.markdown import markdown_cell, markdown_lines
from rag.wording.tables import harmless, row_cells
from tests.support.laws import some
from tests.support.parsing import options
from tests.support.passages import page_three, passage

PARSER = Parser(options())


def chunk(text: str) -> Chunk:
    return Chunk("가:0-9", "가", 0, len(text), text, text[:500], 1, 1, 1)


def parse(text: str, ending: str = ".txt") -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"글{ending}"
        path.write_text(text, "utf-8")
        try:
            PARSER.parse(str(path))
        except UnreadableFile:  # nothing but blanks
            return


DATE = "2024-03-01"
FUNCTIONS: dict[str, Callable[[str], object]] = {
    "fold": analyse.fold,
    "sentence_spans": analyse.sentence_spans,
    "bigram terms": lambda text: analyse.BigramAnalyser().terms([text]),
    "find_aliases": aliases.find_aliases,
    "find_expressions": expressions.find_expressions,
    "noun_phrase": noun_phrases.noun_phrase,
    "counted_noun": noun_phrases.counted_noun,
    "balanced": noun_phrases.balanced,
    "chunk_keys": lambda text: terms.chunk_keys("가", chunk(text)),
    "heading_key": terms.heading_key,
    "find_references": lambda text: list(terms.find_references(text)),
    "without_asking": terms.without_asking,
    "possible_names": terms.possible_names,
    "title_of": lambda text: title_of(Path(text.replace("/", "")), text),
    "parse text": parse,
    "parse Markdown": lambda text: parse(text, ".md"),
    "parse lines": lambda text: parse("\n".join(text[i : i + 400] for i in range(0, len(text), 400))),
    "shingles": lambda text: shingles([text]),
    "document_date": lambda text: editions.document_date(text, text, text),
    "edition_name": editions.edition_name,
    "edition_of": lambda text: editions.edition_of(text, DATE),
    "asks_for": lambda text: editions.asks_for(text, editions.edition_of("규칙 2024 초안", DATE)),
    "compares": editions.compares,
    "cited_spans": citations.cited_spans,
    "names_columns": citations.names_columns,
    "verdict": lambda text: support.verdict(text, text, text, text),
    "quantities": support.quantities,
    "numbers": support.numbers,
    "support terms": support.terms,
    "best_span": lambda text: support.best_span("위원회는 1년이다", text),
    "trim": support.trim,
    "plain": conversation.plain,
    "one_question": conversation.one_question,
    "question_terms": extract.question_terms,
    "one_line": extract.one_line,
    "action_of_sentence": found_actions.action_of_sentence,
    "figure_of_sentence": found_figures.figure_of_sentence,
    "figure_of_row": lambda text: found_figures.figure_of_row(text, text),
    "unmarked": priors.unmarked,
    "closed": priors.closed,
    "readable": lambda text: priors.readable(priors.SourceSentence(text, 0, len(text), "", "text", True)),
    "priors": lambda text: list(
        priors.priors([priors.SourceSentence(text, 0, len(text), text, "text", True)])
    ),
    "key": values.key,
    "alternatives": values.alternatives,
    "named_values": lambda text: list(values.named_values(text)),
    "without_name": lambda text: values.without_name("가", text),
    "by_columns": lambda text: values.by_columns(text, text, text),
    "read_row": lambda text: rows.read_row(text, FIGURES),
    "holds": lambda text: rows.holds(text, text),
    "read_calls": calls.read_calls,
    "clean_markers": lambda text: markers.clean_markers(text, {1}),
    "abstains": markers.abstains,
    "says_none_here": markers.says_none_here,
    "shown_text": prompts.shown_text,
    "in_other_brackets": prompts.in_other_brackets,
    "row_cells": row_cells,
    "harmless": harmless,
    "markdown_cell": markdown_cell,
    "markdown_lines": markdown_lines,
    "resolve": lambda text: citations.resolve(text, [passage(1, "가나다")], page_three),
}
# Repeated units on which a pattern that tries every start, or every way to split repeats, takes quadratic time.
UNITS = (" ", "a", "3", "-", "다.", "(가", "3.", " \n")
LENGTH = 200_000
# A quadratic function would take minutes; the slowest of those tested, which reads a whole file, takes seconds.
LIMIT_SECONDS = 30.0
# Patterns are tried alone on shorter strings: a quadratic one takes seconds of the processor, others milliseconds.
PATTERN_LENGTH, PATTERN_SECONDS = 50_000, 1.0
# A search with these is quadratic: their callers cut the text before, or match at one place. FUNCTIONS tries those.
BOUNDED = {
    "indexes.search.editions.BARE",
    "ingest.korean.aliases.ENDING",
    "ingest.korean.aliases.ENGLISH",
    "ingest.korean.aliases.ENGLISH_BEFORE",
    "ingest.korean.aliases.KOREAN_BEFORE",
    "ingest.korean.aliases.NOUN",
    "ingest.korean.aliases.PARTS",
    "ingest.korean.aliases.SHORT",
    "ingest.korean.aliases.SHORT_BEFORE",
    "ingest.korean.aliases.TITLE",
    "ingest.korean.aliases.VERBAL",
    "ingest.korean.analyse.NUMBERED_NAME",
    "ingest.korean.words.COUNTED",
    "ingest.readers.plain.NEW_BLOCK",
    "ingest.readers.plain.TABLE_RULE",
    "ingest.readers.plain.UNDERLINE",
    "ingest.repair.contents.NUMBERED",
    "ingest.repair.contents.TITLE",
    "ingest.repair.joints.LETTERS_END",
    "rag.evidence.citations.MARKERS_BEFORE",
    "rag.extracting.found_figures.BLANK",
    "rag.extracting.found_figures.VAGUE",
    "rag.extracting.priors.LABEL",
    "rag.extracting.priors.TITLE",
    "rag.extracting.priors.TOTAL",
    "rag.extracting.values.PARENTHESES",
    "rag.wording.tables.FORMULA",
}


class TooSlow(Exception):
    pass


def too_slow(*_) -> None:
    raise TooSlow


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Name and value of each pattern for text at the top of a module, also in a tuple, list or dictionary; each once."""
    seen = set()
    for package in (ingest, indexes, rag):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__"):
                continue
            for name, value in vars(import_module(module.name)).items():
                inner = list(value.values()) if isinstance(value, dict) else value
                for each in inner if isinstance(inner, (tuple, list)) else (value,):
                    if isinstance(each, re.Pattern) and isinstance(each.pattern, str) and each not in seen:
                        seen.add(each)
                        yield f"{module.name}.{name}", each


def slow_units(function: Callable[[str], object], length: int, seconds: float) -> list[str]:
    """The units whose repetition takes `function` more than `seconds` of the processor."""
    slow = []
    for unit in some(UNITS, 2):
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            function(f"제1조({unit * (length // len(unit))}!")
        except TooSlow:
            slow.append(unit)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return slow


def main() -> None:
    """Print one JSON line per function and way to use a pattern: its name, and the units that take too long."""
    signal.signal(signal.SIGPROF, too_slow)
    for name, function in FUNCTIONS.items():
        print(json.dumps([name, slow_units(function, LENGTH, LIMIT_SECONDS)]), flush=True)
    for name, pattern in patterns():
        uses = [pattern.fullmatch] if name in BOUNDED else [pattern.fullmatch, pattern.search]
        for use in uses:
            slow = slow_units(use, PATTERN_LENGTH, PATTERN_SECONDS)
            print(json.dumps([f"{name}.{use.__name__}", slow]), flush=True)


if __name__ == "__main__":
    main()
