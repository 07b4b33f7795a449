"""Turns of conversations → is a follow-up understood, and a whole question left alone?

A line of followups.jsonl: {"qid": "f028", "form": "ellipsis-entity", "history": [{"question", "standalone",
"answer", "cited": {"title", "context"}}], "question": "본부장은요?", "standalone": "본부장의 직책수당은 얼마인가요?",
"followup": true, "half": "development", "evidence": "직책수당 | 본부장 | 800,000", "relevant": [{"pdf", "page_start", "page_end"}]}
Those about other topics than the sample documents have no gold pages. The rule was made on the development
half; of the test half it has seen nothing.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.dataset import Evidence, Question, load_questions, read_rows
from eval.metrics import MEASURES, mean, score
from eval.retrieval.units import gains_of, rank_pages
from indexes.types import EVERYTHING, Passage
from rag import Pipeline
from rag.asking.retrieve import retrieve
from rag.conversing.conversation import Exchange

DIALOGUES = Path(__file__).parent / "followups.jsonl"
HALVES = ("development", "test")


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A question in a conversation, and how it would be asked first: itself, where it is no follow-up."""

    history: tuple[Exchange, ...]
    question: Question
    standalone: str
    followup: bool
    form: str
    half: str


def load_dialogues(path: Path = DIALOGUES) -> list[Dialogue]:
    """The dialogues of a file, in its order."""
    return [_dialogue(row) for row in read_rows(path)]


def _dialogue(row: dict[str, Any]) -> Dialogue:
    evidence = (Evidence(e["pdf"], e["page_start"], e["page_end"]) for e in row["relevant"])
    return Dialogue(
        tuple(_exchange(turn) for turn in row["history"]),
        Question(row["qid"], row["question"], (), tuple(evidence)),
        row["standalone"],
        row["followup"],
        row["form"],
        row["half"],
    )


def _exchange(turn: dict[str, Any]) -> Exchange:
    cited = turn.get("cited", {})
    return Exchange(
        turn["question"],
        turn["standalone"],
        turn["answer"],
        cited.get("title", ""),
        cited.get("context", ""),
    )


def measure(pipeline: Pipeline, dialogues: Sequence[Dialogue]) -> dict[str, Any]:
    """For follow-ups and whole questions of each half: the share left as they were typed, and page hit@1 and
    hit@5 of what was typed, of the last question and it joined, of it as understood, of that as a
    conversation searches for it, and as labelled."""
    typed = [dialogue.question.text for dialogue in dialogues]
    before = [dialogue.history[-1].standalone for dialogue in dialogues]
    understood = [understand(pipeline, dialogue) for dialogue in dialogues]
    joined = [f"{last} {question}" for last, question in zip(before, typed, strict=True)]
    found = {
        "typed": pipeline.search(typed),
        "joined": pipeline.search(joined),
        "understood": pipeline.search(understood),
        "searched": [
            searched(pipeline, question, last) for question, last in zip(understood, before, strict=True)
        ],
        "labelled": pipeline.search([dialogue.standalone for dialogue in dialogues]),
    }
    hits = {name: page_hits(pipeline, dialogues, passages) for name, passages in found.items()}
    rows = {}
    for half in HALVES:
        for followup in (True, False):
            own = [n for n, d in enumerate(dialogues) if d.half == half and d.followup == followup]
            rows[f"{half}, {'follow-ups' if followup else 'whole questions'}"] = {
                "questions": len(own),
                "unchanged": mean(understood[n] == typed[n] for n in own),
                **_shares(hits, [n for n in own if dialogues[n].question.answerable]),
            }
    told = [_told(dialogue, said) for dialogue, said in zip(dialogues, understood, strict=True)]
    return {"rows": rows, "understood": told}


def _shares(hits: dict[str, list[tuple[float, float]]], own: Sequence[int]) -> dict[str, float]:
    shares: dict[str, float] = {"with gold pages": len(own)}
    for name, found in hits.items():
        shares[f"{name} @1"] = mean(found[n][0] for n in own)
        shares[f"{name} @5"] = mean(found[n][1] for n in own)
    return shares


def _told(dialogue: Dialogue, understood: str) -> dict[str, Any]:
    return {
        "qid": dialogue.question.id,
        "before": dialogue.history[-1].standalone,
        "question": dialogue.question.text,
        "understood": understood,
        "labelled": dialogue.standalone,
    }


def understand(pipeline: Pipeline, dialogue: Dialogue) -> str:
    """The dialogue's question as a conversation understands it."""
    return pipeline.conversation(turns=dialogue.history).understand(dialogue.question.text)


def searched(pipeline: Pipeline, question: str, before: str) -> list[Passage]:
    """The passages that a conversation finds for `question` after the question `before`."""
    (found,) = retrieve(pipeline._retrieval().with_search(10), [question], EVERYTHING, before)
    return found.passages


def page_hits(
    pipeline: Pipeline, dialogues: Sequence[Dialogue], found: Sequence[Sequence[Passage]]
) -> list[tuple[float, float]]:
    """For each dialogue (hit@1, hit@5) of what was found, by page; (0, 0) without gold pages."""
    rankings = {
        dialogue.question.id: rank_pages(pipeline.retriever, dialogue.question, passages)
        for dialogue, passages in zip(dialogues, found, strict=True)
    }
    gains = {d.question.id: gains_of(d.question, "page") for d in dialogues}
    columns = [list(MEASURES).index(name) for name in ("hit@1", "hit@5")]
    return [tuple(row) for row in score(rankings, gains)[:, columns].tolist()]


def unharmed(pipeline: Pipeline, questions: Path, count: int) -> dict[str, Any]:
    """Of questions that were asked one by one, each after another of the set as if it went on from it: the
    share that is left alone."""
    loaded = load_questions(questions)
    thinned = loaded[:: max(1, len(loaded) // count)]
    pairs = [
        (before, question) for before, question in itertools.pairwise(thinned) if before.text != question.text
    ]
    unchanged = [
        pipeline.conversation(
            turns=[Exchange(before.text, before.text, " ".join(before.answers[:1]))]
        ).understand(question.text)
        == question.text
        for before, question in pairs
    ]
    return {"questions": len(pairs), "unchanged": mean(unchanged)}
