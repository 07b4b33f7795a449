"""Questions with gold pages, read from JSONL.

A line: {"qid": "rules-01", "question": "…", "answers": ["20일"],
         "relevant": [{"pdf": "취업규칙.pdf", "page_start": 30, "page_end": 30}]}
Gold evidence names pages, never chunks, so it outlives every change of chunking.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLES = Path(__file__).parent / "samples"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Pages of one PDF, counted from 1, both ends included; `pdf` is relative to the data set.

    `id`: of the paragraph or document there, where the data set has such. `gain`: how much it is worth.
    """

    pdf: str
    page_start: int
    page_end: int
    id: str = ""
    gain: int = 1


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its reference answers and its evidence; without any it cannot be answered."""

    id: str
    text: str
    answers: tuple[str, ...]
    evidence: tuple[Evidence, ...]

    @property
    def answerable(self) -> bool:
        return bool(self.evidence)


def load_questions(path: Path) -> list[Question]:
    """The questions in the file, in its order."""
    return [_question(row) for row in read_rows(path)]


def read_rows(path: Path) -> list[dict]:
    """The objects of a JSONL file."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def sample(questions: Sequence[Question], count: int, seed: int) -> list[Question]:
    """`count` of the questions, the same for the same seed."""
    return random.Random(seed).sample(list(questions), min(count, len(questions)))


def _question(row: dict) -> Question:
    evidence = (Evidence(e["pdf"], e["page_start"], e["page_end"], e.get("id", "")) for e in row["relevant"])
    return Question(row["qid"], row["question"], tuple(row["answers"]), tuple(evidence))
