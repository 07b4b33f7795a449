"""`python -m tests.ledger`: packs random questions, turns and passages into random windows and counts every token.

The ids of each prompt are compared with those found in another way. If no text holds a control token,
the model's own tokenizer reads the rendered prompt; else a slow byte-pair encoding of our own reads the
messages one by one. Exit code 1 if anything differs.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from indexes.types import Passage, Place, StoredDocument
from ingest.document import Chunk, chunk_id
from ingest.korean.analyse import sentence_spans
from rag.answer import PackedPassage
from rag.errors import PromptTooLong
from rag.prompting.packing import HISTORY_SHARE, Prompt, pack
from rag.prompting.prompts import MARKER, Turn, answer_messages, passage_block
from rag.prompting.tokens import EMBEDDED_FOLDER, Message, ModelTokenizer
from tests.support.files.shared import tokenizer_folder
from tests.support.slow_tokens import SlowTokenizer

# Plain words, and jamo, Hanja, wide and enclosed characters, emoji with joiners, digits, blanks, private-use
# characters, the marks that the renderer puts around messages, markers of other texts, control tokens.
PIECES = (
    *("한글", "제34조제2항에 따라", "매출액 1,234,567백만원", "(전년대비 12.5% 증가)", "2026년 11월 23일"),
    *(
        "漢字",
        "國民健康保險法",
        "ＡＢＣ",
        "１２３",
        "㎡",
        "①",
        "Ⅳ",
        "ㄱㄴㅏ",
        "\u1112\u1161\u11ab",
        "R&D",
        "<b>",
        "{{ x }}",
    ),
    *("👩‍👩‍👧", "🇰🇷", "👍🏽", "\U00020bb7", "e\u0301", "\ufffd", "\u200b", "\u00a0", "\ufeff", "\x00"),
    *("\ue000", "\ue0000\ue001", "\ue0001\ue001", "\uf8ff", "「근로기준법」", "구분 | 2024년 | 2025년", "|"),
    *("[1]", "[2][3]", "［12］", "[ 3, 4 ]", "[1", "3]", "\\n", '"', "'s", "\t", "  "),
)
CONTROLS = (
    "<|im_end|>",
    "<|im_start|>",
    "<|system|>",
    "<|assistant|>",
    "<|endoftext|>",
    "<think>",
    "</think>",
    "</tool_call>",
)
CONTROLLED = 0.05  # the share of the texts and documents that hold control tokens
ENDS = ("다. ", "한다.\n", "\n", "? ", "며, ", ") ", "!", "\n\n", "\r\n", "… ")
# The sizes of windows: (from, up to, weight).
WINDOWS = (
    (330, 800, 500),
    (800, 2_500, 350),
    (2_500, 8_000, 130),
    (16_384, 16_385, 18),
    (131_072, 131_073, 2),
)
BLOCK = 1_000  # the number of cases that share their documents
DOCUMENTS = 40
FULL = 0.97
ENOUGH = 1.5  # passages of this many times the room can fill a prompt
LEAST_FULL = 4_000  # tokens; a smaller prompt need not be FULL: a header and a sentence may be 3 % of it
SLACK = 8  # tokens by which packing may be too careful, at seams and elsewhere
QUANTILES = (0, 0.01, 0.1, 0.5)


class Case(NamedTuple):
    """One case: what is packed, and the window that it is packed into."""

    question: str
    history: list[Turn]
    passages: list[Passage]
    window: int
    reserved: int
    counted: bool


@dataclass
class Findings:
    """The number of cases by kind, how full the prompts with enough material were, and in words what was wrong."""

    cases: Counter[str] = field(default_factory=Counter)
    fills: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        self.cases += other.cases
        self.wrong += other.wrong
        for name, fills in other.fills.items():
            self.fills.setdefault(name, []).extend(fills)


def run(folder: str, seed: int, count: int, workers: int = 1) -> Findings:
    """The findings of `count` cases with the tokenizer in `folder` ("embedded": the one that ships)."""
    blocks = [(folder, seed, first, min(count, first + BLOCK)) for first in range(0, count, BLOCK)]
    total = Findings()
    with ProcessPoolExecutor(workers) if workers > 1 else nullcontext() as pool:
        for found in (pool.map if pool else map)(run_block, blocks):
            total.add(found)
    return total


def run_block(block: tuple[str, int, int, int]) -> Findings:
    """The findings of one block: (folder, seed, first case, last case). It has documents of its own."""
    folder, seed, first, last = block
    random = Random(f"{seed}:{first}")
    tokenizer, found = load(folder), Findings()
    library = Library(random, tokenizer)
    for number in range(first, last):
        case = library.case(random)
        found.wrong += [f"case {number}: {what}" for what in one_case(case, library, tokenizer, found)]
    return found


@lru_cache(maxsize=1)
def load(folder: str) -> ModelTokenizer:
    return ModelTokenizer(folder)


class Library:
    """Documents with random text, cut into chunks."""

    def __init__(self, random: Random, tokenizer: ModelTokenizer) -> None:
        self._titles = {f"{n:016x}": some_text(random, 4) or "문서" for n in range(DOCUMENTS)}
        self._units = {name: random.choice(("page", "page", "section")) for name in self._titles}
        self._scanned = {name for name in self._titles if random.random() < 0.2}
        self._chunks = {name: some_chunks(random, name, tokenizer) for name in self._titles}
        self.texts = {name: "".join(c.text for c in chunks) for name, chunks in self._chunks.items()}
        self._starts = {name: {chunk.start for chunk in chunks} for name, chunks in self._chunks.items()}
        self._ends = {name: set(sentence_ends(chunks)) for name, chunks in self._chunks.items()}

    def is_whole(self, document_id: str, start: int, end: int) -> bool:
        """Whether the span begins where a chunk begins and ends where a sentence ends."""
        return start in self._starts[document_id] and end in self._ends[document_id]

    def with_id(self, document_id: str) -> StoredDocument:
        title, unit = self._titles[document_id], self._units[document_id]
        return StoredDocument(document_id, title, (f"/{document_id}.pdf",), (), "", 0, 1, unit)

    def place_of(self, document_id: str, start: int, end: int) -> Place:
        scanned = 0.5 + 0.4 * (start % 2) if document_id in self._scanned else None
        return Place(start // 700 + 1, max(start, end - 1) // 700 + 1, scanned)

    def case(self, random: Random) -> Case:
        low, high, _ = random.choices(WINDOWS, [weight for *_, weight in WINDOWS])[0]
        window = random.randrange(low, high)
        chunks = self._some_chunks(random, random.choice((0, 0.3, 1, 2, 4)) * window)
        scores = sorted((random.random() for _ in chunks), reverse=True)
        passages = [Passage(c, s, rank) for rank, (c, s) in enumerate(zip(chunks, scores, strict=True), 1)]
        turns = random.choice((0, 0, 1, 3, 12))
        history = [
            Turn(some_text(random, 8), some_text(random, random.choice((5, 40)))) for _ in range(turns)
        ]
        question = some_text(random, random.choice((3, 10, 10, 60))) or "연차는?"
        return Case(
            question, history, passages, window, random.randint(1, window // 4), random.random() < 0.7
        )

    def _some_chunks(self, random: Random, tokens: float) -> list[Chunk]:
        """Runs of neighbouring chunks from several documents, mostly shuffled, of about `tokens` tokens in all."""
        chunks: dict[str, Chunk] = {}
        for of_one in random.choices(list(self._chunks.values()), k=4 * DOCUMENTS):
            if tokens <= 0:
                break
            start = random.randrange(len(of_one))
            for chunk in of_one[start : start + random.choice((1, 2, 5, len(of_one)))]:
                if chunk.id not in chunks:
                    chunks[chunk.id] = chunk
                    tokens -= chunk.tokens
        found = list(chunks.values())
        if random.random() < 0.7:
            random.shuffle(found)
        return found


def sentence_ends(chunks: Sequence[Chunk]) -> Iterator[int]:
    return (chunk.start + end for chunk in chunks for _, end in sentence_spans(chunk.text))


def some_text(random: Random, pieces: int) -> str:
    """A text of up to `pieces` pieces; some texts hold control tokens."""
    made = random.choices(PIECES, k=random.randint(0, pieces))
    if random.random() < CONTROLLED:
        made += random.choices(CONTROLS, k=random.randint(1, 4))
        random.shuffle(made)
    return random.choice(("", " ")).join(made)


def some_chunks(random: Random, document_id: str, tokenizer: ModelTokenizer) -> list[Chunk]:
    chunks, start, hostile = [], 0, random.random() < CONTROLLED
    for number in range(random.randint(1, 25)):
        length = random.choice((1, 3, 8, 20))
        words = PIECES + CONTROLS if hostile else PIECES
        sentences = (" ".join(random.choices(words, k=random.randint(1, 9))) for _ in range(length))
        text = "".join(sentence + random.choice(ENDS) for sentence in sentences)
        end = start + len(text)
        context = f"제{number // 4}장 {some_text(random, 3)}".strip() if number > 2 else ""
        identity = chunk_id(document_id, start, end)
        tokens = tokenizer.count(text)
        chunks.append(Chunk(identity, document_id, start, end, text, context, 1, 1, tokens))
        start = end
    return chunks


def packed(case: Case, library: Library, tokenizer: ModelTokenizer) -> Prompt:
    """The prompt of a case, packed by the product."""
    return pack(
        case.question,
        case.passages,
        library.with_id,
        library.place_of,
        tokenizer,
        case.window,
        case.reserved,
        counted=case.counted,
        history=case.history,
    )


def one_case(case: Case, library: Library, tokenizer: ModelTokenizer, found: Findings) -> list[str]:
    """What is wrong with one prompt, in words."""
    found.cases["cases"] += 1
    limit = case.window - case.reserved
    alone = len(tokenizer.render(answer_messages(case.question, [])).token_ids)
    try:
        prompt = packed(case, library, tokenizer)
    except PromptTooLong:
        found.cases["refused: no room"] += 1
        needed = alone + least_passage(case, library, tokenizer)
        return [f"refused, where {limit - needed} tokens are left"] if needed + SLACK <= limit else []
    kept = case.history[prompt.turns_left_out :]
    found.cases["with turns"] += bool(kept)
    found.cases["turns left out"] += prompt.turns_left_out > 0
    found.cases["passages"] += len(prompt.passages)
    checks = (
        (budget_adds_up(prompt, case), "the ledger does not add up"),
        (
            prompt.token_ids == fresh_ids(prompt.messages, tokenizer, found),
            "other ids than a fresh tokenisation",
        ),
        (all(is_whole(shown, library) for shown in prompt.passages), "a passage of no whole sentences"),
        (shows_only_its_markers(prompt), "a marker that is none of the passages'"),
        (prompt.messages == answer_messages(case.question, prompt.passages, kept), "other turns"),
        (history_keeps_its_share(prompt, limit, alone), "too much history"),
        (bool(prompt.passages) == bool(case.passages), "no passage is shown"),
        (is_full(prompt, case, alone, found), f"{prompt.budget.prompt} of {limit} used"),
    )
    return [what for right, what in checks if not right]


def least_passage(case: Case, library: Library, tokenizer: ModelTokenizer) -> int:
    """The tokens of the shortest first sentence among the passages, with its header; 0 without passages."""
    return min((first_sentence(p.chunk, library, tokenizer) for p in case.passages), default=0)


def first_sentence(chunk: Chunk, library: Library, tokenizer: ModelTokenizer) -> int:
    text = chunk.text[: sentence_spans(chunk.text)[0][1]]
    document = library.with_id(chunk.document_id)
    place = library.place_of(chunk.document_id, chunk.start, chunk.start + len(text.rstrip()))
    shown = PackedPassage(
        1,
        chunk.document_id,
        document.path,
        document.title,
        chunk.context,
        place.first_page,
        place.last_page,
        chunk.start,
        chunk.start + len(text),
        text,
        0,
        0.0,
        document.unit,
        place.ocr,
    )
    return tokenizer.count(passage_block(shown))


def budget_adds_up(prompt: Prompt, case: Case) -> bool:
    budget = prompt.budget
    parts = budget.template + budget.system + budget.history + budget.passages + budget.question
    return (
        parts == budget.prompt == len(prompt.token_ids)
        and budget.prompt + case.reserved <= case.window
        and budget.free == case.window - case.reserved - budget.prompt
        and (budget.window, budget.reserved_output) == (case.window, case.reserved)
    )


def fresh_ids(messages: Sequence[Message], tokenizer: ModelTokenizer, found: Findings) -> list[int]:
    """The ids of `messages`, found in another way than by `render`."""
    slow, own = other_ways(tokenizer.name)
    if any(slow.has_controls(message.content) for message in messages):
        found.cases["control tokens in texts"] += 1
        return slow.encode_turns([(m.role, m.content) for m in messages])
    return own.encode(tokenizer.render_text(messages), add_special_tokens=False).ids


@lru_cache(maxsize=1)
def other_ways(folder: str) -> tuple[SlowTokenizer, Any]:
    from tokenizers import Tokenizer

    path = (EMBEDDED_FOLDER if folder == "embedded" else Path(folder)) / "tokenizer.json"
    return SlowTokenizer(path), Tokenizer.from_file(str(path))


def is_whole(shown: PackedPassage, library: Library) -> bool:
    """Whether a passage is a run of sentences of its document, on the pages that it claims."""
    text = library.texts[shown.document_id]
    place = library.place_of(shown.document_id, shown.start, shown.start + len(shown.text.rstrip()))
    return (
        shown.text == text[shown.start : shown.end] != ""
        and library.is_whole(shown.document_id, shown.start, shown.end)
        and (shown.first_page, shown.last_page, shown.ocr) == place
    )


def shows_only_its_markers(prompt: Prompt) -> bool:
    (part,) = (text for name, text in prompt.messages[-1].parts if name == "passages")
    return [match[1] for match in MARKER.finditer(part)] == [str(p.marker) for p in prompt.passages]


def history_keeps_its_share(prompt: Prompt, limit: int, alone: int) -> bool:
    most = min(prompt.budget.window * HISTORY_SHARE, (limit - alone) / 2)
    return prompt.budget.history <= max(0, most)


def is_full(prompt: Prompt, case: Case, alone: int, found: Findings) -> bool:
    """Whether the prompt fills its room, or there is not enough material to fill it."""
    limit = case.window - case.reserved
    if sum(p.chunk.tokens for p in case.passages) < ENOUGH * (limit - alone):
        return True
    name = next(f"{low:,}" for low, high, _ in WINDOWS if low <= case.window < high)
    found.fills.setdefault(name, []).append(prompt.budget.prompt / limit)
    return limit < LEAST_FULL or prompt.budget.prompt >= FULL * limit


def main() -> int:
    """Run the cases; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.ledger", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    started = time.monotonic()
    folder = str(tokenizer_folder())
    found = run(folder, given.seed, given.count, given.workers)
    print(f"tokenizer: {Path(folder).name}, seed {given.seed}")
    for name, count in found.cases.items():
        print(f"{name:26}{count:>10,}")
    print(
        f"\n{'windows from':14}{'with enough':>12}"
        + "".join(f"{f'fill p{100 * q:g}':>10}" for q in QUANTILES)
    )
    for name, fills in sorted(found.fills.items(), key=lambda row: len(row[0])):
        fills.sort()
        shares = "".join(f"{fills[int(q * len(fills))]:>10.4f}" for q in QUANTILES)
        print(f"{name:14}{len(fills):>12,}{shares}")
    print(
        f"\n{found.cases['cases']:,} cases, {len(found.wrong)} violations, {time.monotonic() - started:.0f} s"
    )
    for what in found.wrong[:20]:
        print("WRONG", what)
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
