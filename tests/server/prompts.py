"""Prompts for a real server, and the laws that every answer must keep."""

import random
import re

from rag import Pipeline
from rag.answer import Answer
from rag.prompting.packing import Prompt
from rag.prompting.prompts import SYSTEM
from rag.prompting.tokens import Message, ModelTokenizer
from tests.support.servers.tiny_model import WINDOW

# What documents hold besides plain words: digits, amounts, jamo, Hanja, wide and enclosed characters,
# emoji with joiners, tabs, line ends, runs of spaces.
PIECES = (
    *(
        "제34조제2항에 따라 ",
        "매출액 1,234,567백만원",
        "(전년대비 12.5% 증가)",
        "2026년 11월 23일",
        "㎡",
        "①",
        "Ⅳ",
    ),
    *(
        "한글",
        "漢字",
        "ＡＢＣ",
        "１２３",
        "ㄱㄴㅏ",
        "\u1112\u1161\u11ab",
        "👩‍👩‍👧",
        "…",
        "「근로기준법」",
        "R&D",
        "<b>",
        "{{ x }}",
        "|",
    ),
    *(" ", "  ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u200b", "\\n", '"', "'", "[1]", "[2][3]"),
)


def ask_prompt(tokenizer: ModelTokenizer, question: str, passages: str = "") -> Prompt:
    """A prompt of `question` without an index."""
    parts = (("passages", passages), ("question", question))
    messages = [Message("system", (("system", SYSTEM),)), Message("user", parts)]
    return Prompt(tokenizer.render(messages).token_ids, messages, (), question, None)


def prompt_of_length(tokenizer: ModelTokenizer, length: int) -> Prompt:
    """A prompt of just `length` tokens."""
    empty = len(ask_prompt(tokenizer, "").token_ids)
    prompt = ask_prompt(tokenizer, "가\n" * length)
    question = tokenizer.decode(tokenizer.encode(prompt.question)[: length - empty])
    prompt = ask_prompt(tokenizer, question)
    assert len(prompt.token_ids) == length
    return prompt


def random_text(seed: int) -> str:
    random_pieces = random.Random(seed)
    return "".join(random_pieces.choice(PIECES) for _ in range(random_pieces.randrange(1, 80)))


def check_answer(pipeline: Pipeline, answer: Answer) -> None:
    """Assert what must hold for every answer, whatever the model writes."""
    budget = answer.budget
    assert budget.prompt + budget.reserved_output <= budget.window == WINDOW
    parts = budget.template + budget.system + budget.history + budget.passages + budget.question
    assert parts == budget.prompt
    assert budget.free == budget.window - budget.reserved_output - budget.prompt
    shown = {passage.marker: passage for passage in answer.passages}
    written = [int(marker) for marker in re.findall(r"\[(\d+)\]", answer.text)]
    assert {*written, *(citation.marker for citation in answer.citations)} <= shown.keys()
    for citation in answer.citations:
        passage = shown[citation.marker]
        assert citation.document_id == passage.document_id
        assert passage.start <= citation.start < citation.end <= passage.end
        document = pipeline.document(citation.document_id)
        assert citation.quote == pipeline.text(document, citation.start, citation.end)
