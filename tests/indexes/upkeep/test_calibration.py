"""How the weight of the cosine is found without labels."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.disk.retriever import Retriever
from indexes.disk.writer import Writer
from indexes.types import Calibration
from indexes.upkeep.calibrate import FEWEST, Trial, ask_themselves, calibrate, is_due, without_heading
from ingest.document import Chunk
from ingest.korean.analyse import BigramAnalyser
from ingest.structure.terms import squeeze
from tests.support.fakes import BigramEmbedder
from tests.support.indexes import MANIFEST, content

SYLLABLES = [chr(code) for code in range(ord("가"), ord("힣"), 37)]


def passages(count: int) -> dict[int, Chunk]:
    """Key → chunk: sections of four sentences, each with words of its own and under its own heading."""
    made = {}
    for key in range(count):
        rng = random.Random(key)
        words = ["".join(rng.sample(SYLLABLES, 3)) for _ in range(40)]
        heading = f"제{key + 1}조({''.join(words[:2])} 규정)"
        sentences = [" ".join(rng.sample(words[2:], 8)) + "한다. " for _ in range(5)]
        text = f"{heading} {''.join(sentences)}"
        made[key] = Chunk(f"d{key}:0-1", f"d{key}", 0, len(text), text, f"규정 > {heading}", 1, 1, 50)
    return made


@given(st.integers(0, 20))
def test_no_question_stands_in_the_passage_it_asks_for(seed):
    texts, questions = ask_themselves(passages(8), random.Random(seed))
    assert {question.kind for question in questions} == {"heading", "sentence"}
    for question in questions:
        assert question.text and question.gold
        for key in question.gold:
            assert squeeze(question.text) not in squeeze(texts[key])


def test_a_heading_is_cut_out_with_its_number():
    text = "제3조(용어의 정의) ① 이 규정에서 쓰는 말의 뜻은 다음과 같다.\n"
    chunk = Chunk("d:0-9", "d", 0, len(text), text, "규정 > 제3조(용어의 정의)", 1, 1, 9)
    assert without_heading(chunk) == ("용어의 정의", " ① 이 규정에서 쓰는 말의 뜻은 다음과 같다.\n")
    assert without_heading(replace(chunk, context="규정 > 제9조(다른 조)")) == ("", text)


class Oracle(BigramEmbedder):
    """An embedder that points to the passage meant by a query if `right`, else to another one."""

    def __init__(self, by_word: dict[str, int], right: bool) -> None:
        super().__init__()
        self._by_word, self._right = by_word, right

    def _embed(self, texts, wrong: bool):
        vectors = np.zeros((len(texts), self.identity.dim), np.float32)
        for row, text in enumerate(texts):
            words = [self._by_word[word] for word in text.split() if word in self._by_word]
            at = max(set(words), key=words.count) if words else 0
            vectors[row, (at + wrong) % self.identity.dim] = 1
        return vectors

    def embed_passages(self, texts):
        return self._embed(texts, False)

    def embed_queries(self, texts):
        return self._embed(texts, not self._right)


def calibrated(folder, embedder) -> Calibration:
    """The calibration found for an index of sixty sections, in which it is also stored."""
    made = passages(60)
    with Writer(folder, replace(MANIFEST, embedder=embedder.identity)) as writer:
        for key, chunk in made.items():
            document = content(f"{key:03d}", chunk.text)
            chunks = (replace(document.chunks[0], context=chunk.context),)
            writer.add(replace(document, chunks=chunks))
        writer.commit()
        found = calibrate(list(writer.documents.values()), writer.chunks, embedder)
        writer.set_calibration(found)
    return found


@pytest.mark.parametrize("right", [True, False])
def test_a_cosine_that_misleads_counts_nothing_and_the_best_is_never_far(tmp_path, right):
    by_word = {word: key for key, chunk in passages(60).items() for word in chunk.text.split()}
    embedder = Oracle(by_word, right)
    found = calibrated(tmp_path, embedder)
    assert found.questions >= FEWEST
    assert found.hybrid >= found.lexical and found.hybrid >= found.dense - 0.05
    if not right:
        assert found.dense < 0.2 and found.dense_weight == 0.0


def test_a_retriever_uses_what_was_found(tmp_path):
    embedder = BigramEmbedder()
    found = calibrated(tmp_path, embedder)
    retriever = Retriever(tmp_path, embedder, BigramAnalyser())
    assert retriever.calibration == found == retriever.store.calibration
    query = next(iter(passages(1).values())).text[20:60]
    assert retriever.retrieve([query], 5) == retriever.retrieve([query], 5, dense_weight=found.dense_weight)


def test_too_few_questions_calibrate_nothing(tmp_path):
    embedder = BigramEmbedder()
    with Writer(tmp_path, replace(MANIFEST, embedder=embedder.identity)) as writer:
        writer.add(content("짧은 글", "한 문장이다. "))
        writer.commit()
        documents = list(writer.documents.values())
        assert calibrate(documents, writer.chunks, embedder) is None
        assert Trial(documents, writer.chunks, embedder).questions == []


def test_it_is_due_when_the_index_has_changed_much():
    known = Calibration(0.4, 100, 0.5, 0.4, 0.5, 1_000)
    assert is_due(None, 1_000) and not is_due(None, 10)
    assert not is_due(known, 1_000) and not is_due(known, 1_400)
    assert is_due(known, 1_500) and is_due(known, 600)
