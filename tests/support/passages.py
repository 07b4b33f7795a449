"""Passages as a retriever finds them, and as they stand in a prompt."""

from indexes.types import Passage, Place
from ingest.document import Chunk, chunk_id
from rag.answer import PackedPassage
from rag.prompting.tokens import ModelTokenizer

TOKENIZER = ModelTokenizer("embedded")


def passages(documents: list[list[str]]) -> list[Passage]:
    """Passages from one document for each list; the texts of the list are its chunks, without gaps."""
    found = []
    for number, chunks in enumerate(documents):
        start = 0
        for text in chunks:
            end = start + len(text)
            identity = chunk_id(str(number), start, end)
            context = f"제{len(found) // 2 + 1}장 총칙"
            chunk = Chunk(identity, str(number), start, end, text, context, 1, 2, TOKENIZER.count(text))
            found.append(Passage(chunk, 1.0, len(found) + 1))
            start = end
    return found


TEXT = "제34조(연차휴가) ① 회사는 1년간 80퍼센트 이상 출근한 사원에게 15일의 휴가를 준다. ② 휴가는 나누어 쓸 수 있다.\n제35조(병가) 병가는 연 60일 이내로 한다.\n"


OFFSET = 1000


def passage(marker: int, text: str = TEXT) -> PackedPassage:
    return PackedPassage(
        marker, "d1", "/규칙.pdf", "규칙", "제4장 휴가", 3, 4, OFFSET, OFFSET + len(text), text, 50, 1.0
    )


def page_three(document_id: str, start: int, end: int) -> Place:
    return Place(3, 3, None)
