"""The Python API: the same answers, from threads and from asyncio."""

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from eval.dataset import SAMPLES, load_questions
from indexes.disk.retriever import Retriever
from indexes.errors import DocumentNotFound, IndexMismatch, IndexNotFound
from indexes.types import EVERYTHING, Filter
from rag import Pipeline, load_config
from rag.api.progress import counted
from rag.asking.ask import ask, ask_stream
from rag.errors import ConfigError
from rag.prompting.prompts import ABSTENTION, in_other_brackets
from rag.summarising.kinds import SummaryOptions
from rag.wording.notices import unknown_markers
from tests.support.fakes import ScriptedGenerator

QUESTION = "연차유급휴가는 며칠인가요?"


def scripted(pipeline: Pipeline, *replies: str):
    generator = ScriptedGenerator(*replies)
    return generator, replace(pipeline._stages(), generator=generator)


def test_every_citation_of_every_sample_answer_is_exact(samples):
    questions = [question.text for question in load_questions(SAMPLES / "questions.jsonl")]
    for answer in samples.ask(questions):
        for citation in answer.citations:
            document = samples.document(citation.document_id)
            assert samples.text(document, citation.start, citation.end) == citation.quote
            pages = samples.retriever.pages(document.document_id)
            inside = [p for p in pages if p.start < citation.end and p.end > citation.start]
            assert (inside[0].number, inside[-1].number) == (citation.first_page, citation.last_page)
        assert answer.budget.prompt + answer.budget.reserved_output <= answer.budget.window
        assert answer.tokenizer == "embedded" and answer.generator == "extractive"


def test_a_model_that_invents_a_marker_is_corrected(samples):
    _, stages = scripted(samples, "연차는 15일입니다. [1] 회사는 화성에 있습니다. [97]")
    (answer,) = ask(stages, [QUESTION], EVERYTHING)
    assert {citation.marker for citation in answer.citations} == {1}
    assert answer.sentences[1].support == "uncited"
    assert any("1개" in warning.ko for warning in answer.warnings)


def test_a_model_that_finds_nothing_abstains(samples):
    _, stages = scripted(samples, f"«{ABSTENTION}»")
    (answer,) = ask(stages, [QUESTION], EVERYTHING)
    assert answer.abstained and answer.text == ABSTENTION
    assert not answer.sentences and not answer.citations and answer.passages


class Scanned(Retriever):
    """A version of an index in whose documents every page was read by OCR."""

    def place_of(self, document_id, start, end):
        return super().place_of(document_id, start, end)._replace(ocr=0.874)


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (
            "연차는 15일입니다. [1]",
            "[1]은 스캔한 쪽을 OCR로 읽은 글입니다(신뢰도 87%). 숫자는 원문에서 확인하세요.",
        ),
        (
            "연차는 15일입니다. [2]",
            "[2]는 스캔한 쪽을 OCR로 읽은 글입니다(신뢰도 87%). 숫자는 원문에서 확인하세요.",
        ),
        (
            "연차는 15일입니다. [3][1]",
            "[1][3]은 스캔한 쪽을 OCR로 읽은 글입니다(가장 낮은 신뢰도 87%). 숫자는 원문에서 확인하세요.",
        ),
        ("연차는 15일입니다.", ""),
        (ABSTENTION, ""),
    ],
)
def test_an_answer_from_a_scan_warns_of_it(samples, text, warned):
    engine = Scanned(samples.index, samples.embedder, samples.analyser)
    _, stages = scripted(samples, text)
    scanned = replace(stages, retrieval=replace(stages.retrieval, engine=engine))
    (answer,) = ask(scanned, [QUESTION], EVERYTHING)
    assert [warning.ko for warning in answer.warnings if warning.code == "read_by_ocr"] == [warned] * bool(
        warned
    )
    assert all(passage.ocr == 0.874 for passage in answer.passages)


@pytest.mark.parametrize(
    ("generated", "text", "dropped"),
    [
        ("연차는 15일입니다. [1] 그렇습니다. [2]", "연차는 15일입니다. [1] 그렇습니다. [2]", 0),
        ("연차는 15일입니다 [99, 1]. 그렇습니다. [98]", "연차는 15일입니다 [1]. 그렇습니다.", 2),
        ("연차는 [별표 1]에 따릅니다. [1", "연차는 〔별표 1〕에 따릅니다.", 0),
        (f"«{ABSTENTION}» [1]", ABSTENTION, 0),
        ("", ABSTENTION, 0),
        (f"{ABSTENTION} 다만 15일입니다. [1]", f"{ABSTENTION} 다만 15일입니다. [1]", 0),
    ],
)
def test_streamed_pieces_join_to_the_answer(samples, generated, text, dropped):
    _, stages = scripted(samples, generated, generated)
    *pieces, streamed = ask_stream(stages, QUESTION, EVERYTHING)
    (answer,) = ask(stages, [QUESTION], EVERYTHING)
    assert all(pieces) and "".join(pieces) == text == streamed.text
    assert replace(streamed, seconds=0) == replace(answer, seconds=0)
    counted = [warning for warning in answer.warnings if warning.code == "unknown_markers"]
    assert counted == ([unknown_markers(dropped)] if dropped else [])


def test_the_prompt_holds_the_question_and_the_passages_that_are_shown(samples):
    generator, stages = scripted(samples, ABSTENTION)
    (answer,) = ask(stages, [QUESTION], EVERYTHING)
    (prompt,) = generator.prompts
    rendered = samples.tokenizer.decode(prompt.token_ids, skip_special=False)
    assert QUESTION in rendered
    for passage in answer.passages:
        assert f"[{passage.marker}] 「{passage.title}」" in rendered
        assert in_other_brackets(passage.text.strip()) in rendered


def test_sixteen_threads_get_the_same_answer(samples):
    with ThreadPoolExecutor(16) as pool:
        texts = set(pool.map(lambda _: samples.ask(QUESTION).text, range(48)))
    assert len(texts) == 1


def test_asyncio_gets_the_same_answers(samples):
    async def gather():
        answers = await asyncio.gather(*(samples.ask_async(QUESTION) for _ in range(4)))
        async with samples.ask_stream_async(QUESTION) as stream:
            pieces = [piece async for piece in stream]
        found = await samples.search_async(QUESTION, 3)
        each = [answer async for answer in samples.ask_each_async([QUESTION, QUESTION])]
        return [*answers, *each], "".join(pieces), stream.answer, found

    answers, text, streamed, found = asyncio.run(gather())
    expected = samples.ask(QUESTION)
    assert {answer.text for answer in answers} == {expected.text, text, streamed.text}
    assert [passage.rank for passage in found] == [1, 2, 3]


def test_a_filter_restricts_the_answer(samples):
    allowed = Filter(documents=("취업규칙.pdf",))
    answer = samples.ask("비밀번호는 며칠마다 바꾸나요?", allowed)
    assert {passage.title for passage in answer.passages} <= {"취업규칙"}


def test_a_missing_index_is_named_before_any_model_is_loaded(tmp_path):
    with Pipeline.open(tmp_path / "none") as pipeline, pytest.raises(IndexNotFound):
        pipeline.ask(QUESTION)
    assert "embedder" not in pipeline._models.loaded


def test_the_contents_of_a_document_come_back_whole(samples):
    for document in samples.documents():
        text = samples.text(document)
        pages = samples.retriever.pages(document.document_id)
        assert "".join(text[page.start : page.end] for page in pages) == text


class SlowGenerator(ScriptedGenerator):
    """A generator that takes time for each piece and notes when its stream is closed."""

    closed = False

    def stream(self, prompt, options):
        try:
            for _ in range(1000):
                time.sleep(0.02)
                yield "가"
            return "length"
        finally:
            self.closed = True


def test_leaving_an_asynchronous_stream_ends_the_generation(sample_index):
    async def leave() -> SlowGenerator:
        slow = SlowGenerator()
        with Pipeline.open(sample_index, generator=slow) as pipeline:
            begun = asyncio.Event()

            async def read():
                async for _ in pipeline.ask_stream_async(QUESTION):
                    begun.set()

            reading = asyncio.create_task(read())
            await asyncio.wait_for(begun.wait(), 60)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            return slow

    assert asyncio.run(leave()).closed


def test_a_stream_cut_at_the_output_limit_says_so(samples):
    class Cut(ScriptedGenerator):
        def stream(self, prompt, options):
            yield "연차는 15일입"
            return "length"

    *_, answer = ask_stream(replace(samples._stages(), generator=Cut()), QUESTION, EVERYTHING)
    assert any("reserved_output" in warning.ko for warning in answer.warnings)


RULES = """취업규칙
[시행 {date}]
제1장 총칙
제1조(목적) 이 규칙은 주식회사 한빛의 사원이 지켜야 할 근로조건과 복무에 관한 사항을 정함을 목적으로 한다.
제2장 휴가
제2조(포상휴가) ① 회사는 우수 제안을 낸 사원에게 {days}일의 포상휴가를 준다. ② 포상휴가는 제안이 채택된 날부터 한 해 안에
써야 하며, 쓰지 아니한 포상휴가는 다음 해로 넘기지 아니한다. ③ 부서장은 업무에 큰 지장이 있을 때에 한하여 시기를 바꿀 수 있다.
"""


@pytest.fixture(scope="module")
def editions(tmp_path_factory):
    """Two editions of one document, and a copy of the newer one under another name."""
    folder = tmp_path_factory.mktemp("editions")
    for name, date, days, opening in (
        ("취업규칙_20230301", "2023. 3. 1.", 3, ""),
        ("취업규칙_20250101", "2025. 1. 1.", 5, ""),
        ("직원 안내 자료집", "2025. 1. 1.", 5, "신입사원에게 드리는 글\n\n"),
    ):
        text = opening + RULES.format(date=date, days=days)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    with Pipeline.open(folder / "index") as pipeline:
        pipeline.ingest([folder])
        yield pipeline


BONUS = "포상휴가는 며칠인가요?"


def test_the_newer_edition_answers_and_the_older_one_is_named(editions):
    answer = editions.ask(BONUS)
    assert "5일" in answer.text and not any("3일" in passage.text for passage in answer.passages)
    assert any(
        "이전 판 「취업규칙 20230301」(2023. 3. 1.) 구역 1의 글과 다릅니다" in w.ko for w in answer.warnings
    )
    assert any(re.search(r"\[\d+\]의 내용은 「.*」.* 구역 1에도 있습니다", w.ko) for w in answer.warnings)
    left_out = {(out.reason, out.changed, out.date) for p in answer.passages for out in p.copies}
    assert ("older", True, "2023-03-01") in left_out and ("copy", False, None) in left_out
    texts = [passage.text for passage in answer.passages]
    assert sum("포상휴가를 준다" in text for text in texts) == 1


def test_the_edition_that_is_asked_for_answers(editions):
    answer = editions.ask("2023년 취업규칙에서 포상휴가는 며칠인가요?")
    assert "3일의 포상휴가" in answer.text
    assert any("더 새로운 판 「취업규칙 20250101」(2025. 1. 1.)" in warning.ko for warning in answer.warnings)


def test_what_was_left_out_repeats_what_is_shown(editions):
    for passage in editions.ask(BONUS).passages:
        for out in passage.copies:
            assert out.start < passage.end and out.end > passage.start
            document = editions.document(out.document_id)
            assert (document.path, document.title) == (out.path, out.title)


@pytest.mark.parametrize(
    ("question", "allowed"),
    [
        (BONUS, Filter(documents=("*20230301*",))),
        ("2023년 취업규칙에서 포상휴가는 며칠인가요?", EVERYTHING),
        ("개정 전에 포상휴가는 며칠이었나요?", EVERYTHING),
    ],
)
def test_the_older_edition_can_be_asked_for(editions, question, allowed):
    answer = editions.ask(question, allowed)
    assert any("3일의 포상휴가" in passage.text for passage in answer.passages)
    assert not any("이전 판" in warning.ko for warning in answer.warnings)


def test_a_copy_that_may_not_be_seen_is_not_named(editions):
    answer = editions.ask(BONUS, Filter(documents=("취업규칙_20250101.txt",)))
    assert answer.citations and not any(passage.copies for passage in answer.passages)


def test_two_prints_of_one_statute_fill_the_context_once(shared, tmp_path):
    statutes = shared / "data" / "pdf" / "statutes"
    name = "부정경쟁방지 및 영업비밀보호에 관한 법률"
    files = [statutes / f"{name}.pdf", statutes / f"{name}(법률)(제20321호)(20240821).pdf"]
    if not all(file.is_file() for file in files):
        pytest.skip("not both prints are there")
    with Pipeline.open(tmp_path / "index") as pipeline:
        pipeline.ingest(files)
        answer = pipeline.ask("영업비밀 침해행위에 대한 금지청구권은 누가 행사할 수 있나요?")
        found = pipeline.search("영업비밀 침해행위에 대한 금지청구권", 60)
    shown = ["".join(passage.text.split()) for passage in answer.passages]
    assert len(set(shown)) == len(shown)
    texts = ["".join(passage.chunk.text.split()) for passage in found]
    assert len(set(texts)) < 0.7 * len(texts)  # both prints were found
    assert sum(len(passage.copies) for passage in answer.passages) > 10
    assert all(out.reason == "copy" for passage in answer.passages for out in passage.copies)
    assert any("에도 있습니다" in warning.ko for warning in answer.warnings)


def test_a_dictionary_belongs_to_the_index_and_is_changed_by_an_upgrade(tmp_path):
    (tmp_path / "글").mkdir()
    for name, text in (
        ("가", "스마트 안전팀이 맡는다."),
        ("나", "스마트 센서와 안전 관리팀의 팀장이 맡는다."),
    ):
        (tmp_path / "글" / f"{name}.txt").write_text(text, encoding="utf-8")
    (tmp_path / "사전.txt").write_text("스마트안전팀  # 2025년에 생긴 부서\n\n", encoding="utf-8")
    plain = load_config(None, ["search.analyser=bigram"])
    known = load_config(None, ["search.analyser=bigram", f"search.dictionary={tmp_path / '사전.txt'}"])
    with Pipeline.open(tmp_path / "색인", plain) as pipeline:
        pipeline.ingest([tmp_path / "글"])
        before = pipeline.search("스마트안전팀", mode="lexical")
    with Pipeline.open(tmp_path / "색인", known) as pipeline:
        with pytest.raises(IndexMismatch, match="dictionary"):
            pipeline.search("스마트안전팀")
        assert pipeline.upkeep.upgrade()[1]
        found = pipeline.search("스마트안전팀", mode="lexical")
        assert "안전팀이" in found[0].chunk.text
        assert found[0].score - found[1].score > before[0].score - before[1].score
        assert pipeline.upkeep.check()[1] == []
        report = pipeline.ingest([tmp_path / "글"])
        assert report.documents.unchanged == 2  # chunks do not depend on it: nothing is read again
    with pytest.raises(ConfigError, match="없는"):
        Pipeline.open(tmp_path / "색인", load_config(None, ["search.dictionary=없는.txt"])).analyser  # noqa: B018


def test_summaries_come_as_an_iterator_a_list_and_to_asyncio(samples):
    names = [
        "취업규칙.pdf",
        samples.documents()[0],
        samples.documents()[1].document_id,
        samples.documents()[2],
    ]

    async def gather():
        return [result async for result in samples.summarise_async(names, sentences=3)]

    made = list(samples.summarise(names, sentences=3))
    listed = samples.summarise_all(names, sentences=3)
    assert len(made) == 3  # each document once
    assert listed[0].path.endswith("취업규칙.pdf")
    texts = {summary.document_id: summary.text for summary in made}
    assert texts == {summary.document_id: summary.text for summary in listed}
    assert texts == {summary.document_id: summary.text for summary in asyncio.run(gather())}
    for summary in made:
        document = samples.document(summary.document_id)
        assert len(summary.sentences) == 3 and summary.key == samples.summary_key(
            document, SummaryOptions(sentences=3)
        )
        for citation in summary.citations:
            assert samples.text(document, citation.start, citation.end) == citation.quote


def test_a_document_that_is_not_there_is_named_before_anything_is_summarised(samples):
    with pytest.raises(DocumentNotFound):
        samples.summarise(["취업규칙.pdf", "없는 문서"])
    with pytest.raises(DocumentNotFound):
        samples.summarise(["취업규칙.pdf"], allowed=Filter(groups=("재무",)))


def test_python_is_quiet_unless_it_is_told_to_show_progress(tmp_path, capsys):
    (tmp_path / "안내.txt").write_text("구내식당은 열두 시에 문을 연다.", encoding="utf-8")
    with Pipeline.open(tmp_path / "index") as pipeline:
        pipeline.ingest(tmp_path / "안내.txt")
        list(pipeline.summarise("안내.txt"))
        assert capsys.readouterr() == ("", "")
        told = []
        pipeline.ingest(tmp_path, progress=lambda *row: told.append(row))
        assert told == [(1, 1, 0, str(tmp_path / "안내.txt"))]


@pytest.mark.parametrize("shown", [True, False])
def test_a_bar_counts_what_is_done(shown):
    console = Console(file=StringIO(), force_terminal=True)
    with counted("reading", shown, console) as count:
        count(3, 7)
    assert ("reading" in console.file.getvalue() and "3/7" in console.file.getvalue()) == shown
