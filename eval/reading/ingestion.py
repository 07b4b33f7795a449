"""What ingestion makes of real PDFs → how good it is: line breaks, chunks, articles, headings.

Measured through `Parsed` alone, so that the numbers of two parsers can be set side by side.
"""

import gzip
import json
import random
import re
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.dataset import read_rows
from eval.metrics import mean
from eval.reading.linebreaks import (
    Joint,
    Squeezed,
    glue_accuracy,
    joints,
    judge,
    raw_text,
    squeeze_text,
    tally,
    typeset,
    typeset_sources,
)
from eval.training.statutes import Law, parse_law
from ingest.document import Chunk
from ingest.korean.analyse import ITEM_LETTERS
from ingest.parse import Parsed, ParseOptions, Parser
from ingest.workers.pool import WorkerPool

PDF_FOLDERS = ("agency", "misc", "safety_guides", "statutes")
TYPESET = ("korquad1", "welfare")
WIDTHS = (20, 30, 40, 60)
SHORT_TOKENS = 40
# Titles are compared by their first characters only: headings are cut at 60.
TITLE_REACH = 50
CLEAN_TEXTS = 300
GLUE_SAMPLE = 600

SENTENCE_END = re.compile(r"(?:[가-힣A-Za-z%)\]」』”’\"'》>][.。!?…]+|[:：])[\"'”’)\]」』》>]*$")
# What statutes put behind a sentence: <개정 2024. 3. 1.>, [본조신설 2020. 2. 4.].
AMENDMENT = re.compile(r"\s*(?:<[^<>]{2,200}>|\[[^\[\]]{2,80}\])$")
ITEM_START = re.compile(
    r"[①-⑳㉠-㉻⑴-⒇❶-❿■-◿★☆※▶▷◆◇●○◎•∙◦⦁☞✓✔―–—]|\d{1,2}(?:\.\d{1,2})*[.)]\s|\(\d{1,2}\)\s"
    rf"|[{ITEM_LETTERS}][.)]\s|제\d+(?:편|장|절|관|조)"
)


def measure(shared: Path, tokenizer_json: str, seed: int) -> dict[str, Any]:
    """All measures of this file over the shared folder, failures named."""
    # Index terms are not looked at, and bigrams cost nothing; line breaks are Kiwi's all the same.
    options = ParseOptions(tokenizer_json, analyser="bigram")
    parsed, failures = parse_all(shared, options, (*PDF_FOLDERS, *TYPESET))
    real = {name: one for name, one in parsed.items() if Path(name).parent.name in PDF_FOLDERS}
    articles = measure_articles(real, read_rows(shared / "data/qa/statute_articles.jsonl"))
    outline = measure_outline(real, read_rows(shared / "data/qa/outline_pages.jsonl"))
    contents = measure_contents(real, read_rows(shared / "data/qa/toc_pages.jsonl"))
    return {
        "line_breaks": dict(measure_line_breaks(shared, parsed, options, seed)),
        "chunks": {
            folder: measure_chunks([one for name, one in real.items() if Path(name).parent.name == folder])
            for folder in PDF_FOLDERS
        }
        | {"all": measure_chunks(list(real.values()))},
        "places": {"articles": articles[0], "outline": outline[0], "contents": contents[0]},
        "failing": {"articles": articles[1], "outline": outline[1], "contents": contents[1]},
        "unread": failures,
    }


def parse_all(
    shared: Path, options: ParseOptions, folders: Sequence[str]
) -> tuple[dict[str, Parsed], dict[str, str]]:
    """What each PDF became, by its path in the shared folder, and why others could not be read."""
    names = [
        path.relative_to(shared).as_posix()
        for folder in folders
        for path in sorted((shared / "data/pdf" / folder).glob("*.pdf"))
    ]
    parsed: dict[str, Parsed] = {}
    failures: dict[str, str] = {}
    with WorkerPool(options) as pool:
        for name, result in zip(names, pool.parse(str(shared / name) for name in names), strict=True):
            if isinstance(result, Parsed):
                parsed[name] = result
            else:
                failures[name] = result.code
    return parsed, failures


# Line breaks


def measure_line_breaks(
    shared: Path, parsed: Mapping[str, Parsed], options: ParseOptions, seed: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows by name: typeset sets, statutes as the ministry prints them, clean text wrapped by us."""
    laws = {law.id: law for law in read_statutes(shared)}
    sources = {name: typeset_sources(shared / f"data/qa/{name}/corpus.jsonl") for name in TYPESET}
    sources["statutes"] = statute_sources(shared, laws)
    for name, texts in sources.items():
        read = {pdf: source for pdf, source in texts.items() if pdf in parsed}
        raws = {pdf: raw_text((shared / pdf).read_bytes()) for pdf in read}
        yield name, _breaks(*judge(raws, read, {pdf: parsed[pdf].document.text for pdf in read}), seed)
    parser = Parser(options)
    for name, paragraphs in clean_texts(laws, sources["korquad1"], seed).items():
        for width in WIDTHS:
            yield f"{name}, {width} wide", _breaks(*_wrapped(parser, paragraphs, width), seed)


def _breaks(judged: Sequence[Joint], unplaced: int, seed: int) -> dict[str, Any]:
    return tally(judged, unplaced) | {"kiwi_alone": glue_accuracy(judged, GLUE_SAMPLE, seed)}


def _wrapped(parser: Parser, paragraphs: Sequence[str], width: int) -> tuple[list[Joint], int]:
    data = typeset(paragraphs, width)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "wrapped.pdf")
        path.write_bytes(data)
        text = parser.parse(str(path)).document.text
    return joints(squeeze_text(raw_text(data)), squeeze_text("\n".join(paragraphs)), squeeze_text(text))


def read_statutes(shared: Path) -> Iterator[Law]:
    """Every twentieth law of the shared statutes, and those whose PDFs are there, too."""
    printed = {row["law"] for row in read_rows(shared / "data/qa/statute_articles.jsonl")}
    families = {_family(name) for name in printed}
    with gzip.open(shared / "data/text/statutes.jsonl.gz", "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            entry = json.loads(line)
            if number % 20 == 0 or _family(entry["id"].partition("/")[0]) in families:
                yield parse_law(entry["id"], entry["text"])


def statute_sources(shared: Path, laws: Mapping[str, Law]) -> dict[str, str]:
    """The text of the law that each PDF holds, where it is the law itself, not a rule of a ministry.

    Another version of the law will do: a place is compared only where the words around it agree.
    """
    names = {_squeezed(law.name): law.text for law in laws.values()}
    rows = read_rows(shared / "data/qa/statute_articles.jsonl")
    laws_of = {row["pdf"]: _squeezed(row["law"]) for row in rows}
    return {pdf: names[law] for pdf, law in laws_of.items() if law in names}


def clean_texts(laws: Mapping[str, Law], korquad: Mapping[str, str], seed: int) -> dict[str, list[str]]:
    """Paragraphs of a sample of articles, and of a sample of encyclopedia articles."""
    articles = [
        f"{article.number}({article.title}) {article.text}"
        for law in laws.values()
        for article in law.articles
        if article.title and len(article.text) > 60
    ]
    chosen = random.Random(seed).sample(articles, min(CLEAN_TEXTS, len(articles)))
    pages = random.Random(seed).sample(sorted(korquad.values()), min(CLEAN_TEXTS // 10, len(korquad)))
    return {
        "wrapped statutes": [line for text in chosen for line in text.split("\n") if line.strip()],
        "wrapped korquad1": [line for text in pages for line in text.split("\n") if line.strip()],
    }


# Chunks


def measure_chunks(parsed: Sequence[Parsed]) -> dict[str, Any]:
    """Where the chunks of these files end, and how long they are."""
    chunks = [chunk for one in parsed for chunk in one.chunks]
    borders = [pair for one in parsed for pair in zip(one.chunks, one.chunks[1:], strict=False)]
    tokens = sorted(chunk.tokens for chunk in chunks)
    inside = sum(ends_inside_word(a.text, b.text) for a, b in borders)
    well = sum(ends_at_border(a.text, b.text) for a, b in borders) + len(parsed)
    marked = sum(marked for one in parsed for marked in _marked_ends(one))
    return {
        "files": len(parsed),
        "chunks": len(chunks),
        "inside_word": inside / max(1, len(chunks)),
        "at_sentence_or_item": well / max(1, len(chunks)),
        "at_marked_end": marked / max(1, len(chunks)),
        "at_sentence": mean(ends_as_sentence(chunk.text) for chunk in chunks),
        "tokens_mean": mean(tokens),
        "tokens_median": tokens[len(tokens) // 2] if tokens else 0,
        "tokens_max": tokens[-1] if tokens else 0,
        f"under_{SHORT_TOKENS}_tokens": sum(count < SHORT_TOKENS for count in tokens),
        "with_context": mean(bool(chunk.context) for chunk in chunks),
        "kinds": _kinds(chunks),
        "not_tiling": sum(not tiles(one) for one in parsed),
    }


def ends_inside_word(before: str, after: str) -> bool:
    """Whether the border between two chunks cuts a word: no blank there, word characters on both sides."""
    return bool(before and after) and before[-1].isalnum() and after[0].isalnum()


def ends_at_border(before: str, after: str) -> bool:
    """Whether a chunk ends where a sentence or an item does: `after` is what follows.

    So it is where the next chunk begins a line (a paragraph, an item, a row) or an item within a
    line, or where the chunk ends with a sentence's closing mark.
    """
    blanks = before[len(before.rstrip()) :] + after[: len(after) - len(after.lstrip())]
    if "\n" in blanks or ITEM_START.match(after.lstrip()):
        return True
    return ends_as_sentence(before)


def _marked_ends(one: Parsed) -> Iterator[bool]:
    """For each chunk: does its text, or what follows, show an end, whatever we took for a line's end?

    Stricter than `ends_at_border`: a line break counts only before a heading or an item's mark, and
    after a row of a table, so that lines wrongly kept apart are not taken for paragraphs.
    """
    headings = {heading.start for heading in one.document.headings}
    for chunk, after in zip(one.chunks, (*one.chunks[1:], None), strict=True):
        yield (
            after is None
            or after.start in headings
            or ITEM_START.match(after.text.lstrip()) is not None
            or getattr(chunk, "kind", "text") != "text"
            or ends_as_sentence(chunk.text)
        )


def ends_as_sentence(text: str) -> bool:
    """Whether `text` ends with a sentence's closing mark, or with its last line as reports end one."""
    text = AMENDMENT.sub("", text.rstrip())
    if re.search(rf"(?:^|\s)[{ITEM_LETTERS}][.]$", text):  # the mark of an item that goes on
        return False
    return SENTENCE_END.search(text) is not None or re.search(r"(?:다|함|임|음|됨|것|요)$", text) is not None


def tiles(one: Parsed) -> bool:
    """Whether the chunks tile the text, and each is the text of its span."""
    ends = [0, *(chunk.end for chunk in one.chunks)]
    starts = [*(chunk.start for chunk in one.chunks), len(one.document.text)]
    return ends == starts and all(c.text == one.document.text[c.start : c.end] for c in one.chunks)


def _kinds(chunks: Sequence[Chunk]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for chunk in chunks:
        kind = getattr(chunk, "kind", "text")
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


# Articles, headings, contents pages


def measure_articles(parsed: Mapping[str, Parsed], rows: Sequence[dict]) -> tuple[dict, list[dict]]:
    """For every article: does the chunk that holds its first words begin on its page, and name it?"""
    verdicts = [(row, article_place(parsed[row["pdf"]], row)) for row in rows if row["pdf"] in parsed]
    shares = {
        "rows": len(verdicts),
        "page_right": mean(page for _, (page, _, _) in verdicts),
        "named": mean(named for _, (_, named, _) in verdicts),
        "both": mean(page and named for _, (page, named, _) in verdicts),
    }
    return shares, [row | {"reason": why} for row, (page, named, why) in verdicts if not (page and named)]


def article_place(one: Parsed, row: Mapping[str, Any]) -> tuple[bool, bool, str]:
    """Whether the chunk that starts the article begins on its page, whether it names it, and what is wrong.

    The article starts where its number and title stand at the start of a line of that page; the
    chunk names it in its first line or in its context.
    """
    key = _squeezed(f"{row['article']}({row['title']})")[:TITLE_REACH]
    starts = line_starts(one, row["page"], key)
    if not starts:
        return False, False, "not at the start of a line of that page"
    begins = [bisect_right([chunk.start for chunk in one.chunks], start) - 1 for start in starts]
    best = max((_judge_start(one.chunks[i], row["page"], key) for i in begins), key=sum)
    reasons = [
        why
        for good, why in zip(best, ("chunk begins on an earlier page", "not named"), strict=True)
        if not good
    ]
    return *best, ", ".join(reasons)


def _judge_start(chunk: Chunk, page: int, key: str) -> tuple[bool, bool]:
    named = _squeezed(chunk.text.strip()).startswith(key) or key in _squeezed(chunk.context)
    return chunk.first_page == page, named


def line_starts(one: Parsed, page_number: int, key: str) -> list[int]:
    """Positions in the document's text where a line of that page begins with `key`, blanks aside."""
    page = next((page for page in one.document.pages if page.number == page_number), None)
    if page is None:
        return []
    # Two lines more: a heading may be joined from lines of two pages.
    squeezed = squeeze_text(one.document.text[page.start : page.end + len(key)])
    found = [match.start() for match in re.finditer(re.escape(key), squeezed.chars)]
    return [page.start + squeezed.positions[i] for i in found if i == 0 or squeezed.gap(i) == "\n"]


def measure_outline(parsed: Mapping[str, Parsed], rows: Sequence[dict]) -> tuple[dict, list[dict]]:
    """For every bookmark: is there a heading of its title on its page, and a chunk there that carries it?"""
    verdicts = []
    headings = {name: _headings_by_page(one) for name, one in parsed.items()}
    for row in rows:
        if row["pdf"] in parsed:
            title = _squeezed(row["title"])[:TITLE_REACH]
            one, page = parsed[row["pdf"]], row["page"]
            heading = any(title in found for found in headings[row["pdf"]].get(page, ()))
            carried = any(
                title in _squeezed(c.context) for c in one.chunks if c.first_page <= page <= c.last_page
            )
            verdicts.append((row, heading, carried))
    failing = [
        row | {"reason": ", ".join(["no heading there"] * (not h) + ["in no context there"] * (not c))}
        for row, h, c in verdicts
        if not (h and c)
    ]
    shares = {
        "rows": len(verdicts),
        "heading_found": mean(heading for _, heading, _ in verdicts),
        "in_context": mean(carried for _, _, carried in verdicts),
        "both": mean(heading and carried for _, heading, carried in verdicts),
    }
    return shares, failing


def measure_contents(parsed: Mapping[str, Parsed], rows: Sequence[dict]) -> tuple[dict, list[dict]]:
    """For every entry of a contents page: is it known as one, and is its heading found on its own page?"""
    verdicts = []
    for row in rows:
        if one := parsed.get(row["pdf"]):
            title = _squeezed(row["heading"])
            entries = contents_entries(one, row["page"], title, row["printed_page"])
            listed = bool(entries) and any(_in_contents(one, entry) for entry in entries)
            heading = any(title in found for found in _headings_by_page(one).get(row["page"], ()))
            verdicts.append((row, bool(entries), listed, heading))
    failing = [
        row | {"entry_seen": seen, "marked_as_contents": listed, "heading_found": heading}
        for row, seen, listed, heading in verdicts
        if not (listed and heading)
    ]
    shares = {
        "rows": len(verdicts),
        "entry_seen": mean(seen for _, seen, _, _ in verdicts),
        "marked_as_contents": mean(listed for _, _, listed, _ in verdicts),
        "heading_found": mean(heading for _, _, _, heading in verdicts),
        "both": mean(listed and heading for _, _, listed, heading in verdicts),
    }
    return shares, failing


def contents_entries(one: Parsed, page_number: int, title: str, printed: int) -> list[int]:
    """Positions before that page where `title` is followed by nothing but leaders and its printed page."""
    page = next(page for page in one.document.pages if page.number == page_number)
    squeezed = squeeze_text(one.document.text[: page.start])
    entry = re.compile(re.escape(title) + rf"[^\w]{{0,200}}0*{printed}")
    return [
        squeezed.positions[match.start()]
        for match in entry.finditer(squeezed.chars)
        if _number_ends(squeezed, match.end())
    ]


def _number_ends(squeezed: Squeezed, i: int) -> bool:
    return i == len(squeezed.chars) or bool(squeezed.gap(i)) or not squeezed.chars[i].isdigit()


def _in_contents(one: Parsed, position: int) -> bool:
    spans = [tuple(span) for span in getattr(one.document, "contents", ())]
    chunk = one.chunks[bisect_right([chunk.start for chunk in one.chunks], position) - 1]
    return getattr(chunk, "kind", "text") == "contents" or any(a <= position < b for a, b in spans)


def _headings_by_page(one: Parsed) -> dict[int, list[str]]:
    ends = [page.end for page in one.document.pages]
    found: dict[int, list[str]] = {}
    for heading in one.document.headings:
        index = min(bisect_right(ends, heading.start), len(ends) - 1)
        found.setdefault(one.document.pages[index].number, []).append(_squeezed(heading.title))
    return found


def _squeezed(text: str) -> str:
    return squeeze_text(text).chars


def _family(name: str) -> str:
    """A law's name without blanks, dots and «시행령» or «시행규칙» at its end."""
    return re.sub(r"시행(?:령|규칙)$", "", _squeezed(name).replace("·", ""))
