"""The measure of summaries: the facts stand where it is said, and what holds them is counted right."""

from collections import Counter

import pytest

from eval.summaries import (
    COUNT,
    METHODS,
    Document,
    Fact,
    Source,
    as_document,
    compare,
    each,
    held,
    left_out,
    load_sources,
    oracle,
    path_of,
    read_documents,
    squeeze,
)
from ingest.document import Chunk
from ingest.parse import ParseOptions, Parser
from rag.extracting.priors import source_sentences
from rag.prompting.tokens import ModelTokenizer


def made_document(text: str, *facts: tuple[str, ...]) -> Document:
    chunk = Chunk("d", "d", 0, len(text), text, "", 1, 1, 1)
    sentences = tuple(source_sentences([chunk]))
    source = Source("d.pdf", "tune", tuple(Fact(1, "", (tuple(map(squeeze, needles)),)) for needles in facts))
    return Document(source, "", (), sentences, tuple(squeeze(one.text) for one in sentences))


def stray_facts(document: Document) -> list[str]:
    """Facts none of whose alternatives stands on its page, in a sentence or in two that follow each other."""
    strays = []
    for fact in document.source.facts:
        page = document.pages[fact.page - 1]
        on_page = [
            place
            for place, one in enumerate(document.sentences)
            if one.start < page.end and one.end > page.start
        ]
        alone = Document(Source("", "", (fact,)), "", document.pages, document.sentences, document.squeezed)
        if not any(
            held(alone, [place, place + 1][: len(document.sentences) - place])[0] for place in on_page
        ):
            strays.append(fact.text)
    return strays


def test_each_document_has_ten_facts_and_a_half():
    sources = load_sources()
    assert Counter(source.half for source in sources) == {"tune": 11, "test": 12}
    assert all(len(source.facts) == COUNT for source in sources)
    assert all(fact.text and fact.page > 0 and all(fact.needles) for s in sources for fact in s.facts)
    assert len({source.pdf for source in sources}) == len(sources)


def test_the_facts_of_the_samples_stand_on_their_pages(tmp_path):
    parser = Parser(ParseOptions(ModelTokenizer("embedded").plain_json, analyser="bigram"))
    for source in load_sources():
        if source.pdf.startswith("samples/"):
            path = path_of(source, tmp_path)
            assert stray_facts(as_document(source, parser.parse(str(path)))) == []


@pytest.mark.slow
@pytest.mark.shared
def test_the_facts_of_the_reports_stand_on_their_pages(shared):
    documents = read_documents(load_sources(), shared, ModelTokenizer("embedded").plain_json)
    assert {one.source.pdf: strays for one in documents if (strays := stray_facts(one))} == {}


def test_a_fact_is_held_by_one_sentence_or_by_two_that_follow_each_other():
    document = made_document(
        "예산은 3억원이다.\n기간은 2년이다.\n대상은 전국이다.\n", ("3억원",), ("3 억원", "2년")
    )
    assert held(document, [0]) == [True, False]
    assert held(document, [0, 1]) == [True, True]
    assert held(document, [0, 2]) == [True, False]
    assert held(document, []) == [False, False]


def test_the_best_possible_holds_what_any_ten_sentences_can():
    text = "".join(f"제{number}호의 금액은 {number}만원이다.\n" for number in range(1, 21))
    document = made_document(text, *[(f"금액은 {number}만원",) for number in (3, 7, 19)])
    assert sum(held(document, oracle(document))) == 3


def test_methods_are_compared_on_the_same_documents():
    text = "".join(f"제{number}호 사업의 예산은 {number}억원으로 확정되었다.\n" for number in range(1, 31))
    document = made_document(text, ("제1호 사업",), ("제30호 사업",))
    rows = compare([document])
    assert rows["first ten, all"]["facts"] == 1
    assert rows["best possible"]["facts"] == 2
    assert 0 < rows["random ten, all"]["facts"] < 2
    assert rows["ours"]["tenths of the document"] > rows["first ten, all"]["tenths of the document"]
    assert set(each(document)) == set(METHODS)
    whole = rows["ours"]["facts"]
    assert all(row["brings"] == whole - row["facts"] for row in left_out([document]).values())
