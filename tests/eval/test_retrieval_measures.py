"""The measures of retrieval: laws of rankings and intervals, places of stretches, sets and their formats."""

import csv
import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.dataset import Evidence, Question
from eval.metrics import MEASURES, interval, score
from eval.retrieval.corpora import BadDataSet, read_autorag, read_beir, read_korquad
from eval.retrieval.html import band_shares, html_report, marked
from eval.retrieval.runs import compare, differences, run_sets, verdict, worst_rows
from eval.retrieval.sets import (
    GROUPS,
    SETS,
    Corpus,
    RetrievalSet,
    Stretch,
    article_questions,
    low_overlap,
    page_of_second_paragraph,
    reworded,
    set_names,
    thinned,
    with_split_compounds,
    without_spaces,
    word_overlaps,
)
from eval.retrieval.units import Ranker, Span, gains_of, largest_overlap, locate, place_stretches
from rag import load_config
from tests.support.laws import examples

NAMES = st.lists(st.sampled_from("가나다라마바사아자차카타"), unique=True, min_size=1, max_size=12)
WORDS = st.lists(st.text("가나다라마바사", min_size=1, max_size=6), min_size=1, max_size=30)
BIGRAMS = load_config(None, ["search.analyser=bigram"])


# measures


@given(NAMES, st.data())
def test_a_perfect_ranking_scores_one_by_every_measure(names, data):
    worth = data.draw(st.lists(st.integers(1, 3), min_size=len(names), max_size=len(names)))
    gains = dict(zip(names, worth, strict=True))
    best = sorted(gains, key=gains.__getitem__, reverse=True)
    assert score({"q": best}, {"q": gains})[0] == pytest.approx(np.ones(len(MEASURES)))


@given(NAMES, st.sets(st.sampled_from("가나다라마바사아자차카타"), min_size=1))
def test_the_measures_are_those_of_their_formulas(ranking, gold):
    found = dict(zip(MEASURES, score({"q": ranking}, {"q": dict.fromkeys(sorted(gold), 1)})[0], strict=True))
    ranks = [rank for rank, name in enumerate(ranking[:10], start=1) if name in gold]
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(10, len(gold)) + 1))
    for k in (1, 5, 10):
        assert found[f"hit@{k}"] == any(rank <= k for rank in ranks)
    assert found["mrr"] == pytest.approx(1 / ranks[0] if ranks else 0)
    assert found["ndcg@10"] == pytest.approx(sum(1 / math.log2(rank + 1) for rank in ranks) / ideal)


def test_a_question_for_which_nothing_came_back_counts():
    values = score(
        {"found": ["a"], "nothing": []}, {"found": {"a": 1}, "nothing": {"b": 1}, "unasked": {"c": 1}}
    )
    assert values[:, 0].tolist() == [1, 0, 0]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.integers(0, 9))
@examples(20)
def test_an_interval_holds_the_mean_and_is_the_same_again(values, seed):
    column = np.array(values)[:, None]
    low, high = interval(column, 999, seed)
    assert column.min() - 1e-12 <= low[0] <= high[0] <= column.max() + 1e-12
    assert (low, high) == interval(column, 999, seed)
    shifted = interval(column + 1, 999, seed)
    assert shifted[0][0] == pytest.approx(low[0] + 1)


def test_more_questions_make_the_interval_narrower():
    few, many = (interval(np.tile([[0.0], [1.0]], (n, 1)), 999, 1) for n in (10, 1000))
    assert many[1][0] - many[0][0] < (few[1][0] - few[0][0]) / 5


def run_of(rankings: dict[str, list[str]], gold: str = "a") -> dict:
    results = [{"id": q, "gold": {gold: 1}, "ranking": ranking} for q, ranking in rankings.items()]
    return {"set": "s", "mode": "lexical", "results": results}


@given(st.lists(NAMES, min_size=1, max_size=20))
@examples(20)
def test_a_run_does_not_differ_from_itself(rankings):
    run = run_of({str(i): ranking for i, ranking in enumerate(rankings)}, gold="가")
    found = differences(run, run, 500)
    assert found["questions"] == len(rankings)
    for values in found["measures"].values():
        assert (values["difference"], values["low"], values["high"]) == (0, 0, 0)
        assert verdict(values) == "no difference shown"


def test_a_run_that_is_better_on_every_question_is_called_better():
    before = run_of({str(i): ["b", "a"] for i in range(30)})
    after = run_of({str(i): ["a", "b"] for i in range(30)})
    better = compare({"runs": [before]}, {"runs": [after]})["s lexical"]["measures"]["mrr"]
    assert (better["difference"], verdict(better)) == (0.5, "better")
    worse = compare({"runs": [after]}, {"runs": [before]})["s lexical"]["measures"]["mrr"]
    assert verdict(worse) == "worse"


def test_only_questions_with_the_same_gold_are_compared():
    before = run_of({"1": ["a"], "2": ["a"]})
    after = run_of({"2": ["a"], "3": ["a"]})
    assert differences(before, after, 100)["questions"] == 1
    assert differences(before, run_of({"1": ["a"]}, gold="b"), 100) == {"questions": 0, "measures": {}}


def test_the_worst_questions_come_first_and_those_without_fault_not_at_all():
    values = np.array([[1.0] * 5, [0.0] * 5, [0.0, 1.0, 1.0, 0.5, 0.6]])
    assert worst_rows(values) == [1, 2]


# places


@given(
    st.lists(st.integers(0, 30), min_size=2, max_size=8, unique=True), st.integers(0, 40), st.integers(1, 20)
)
def test_a_chunk_counts_for_the_stretch_that_it_overlaps_most(cuts, start, length):
    cuts = sorted(cuts)
    spans = [(a, b, str(i)) for i, (a, b) in enumerate(pairwise(cuts))]
    chunk = set(range(start, start + length))
    shared = {name: len(chunk & set(range(a, b))) for a, b, name in spans}
    found = largest_overlap([Span(*span) for span in spans], start, start + length)
    assert (shared[found] == max(shared.values()) > 0) if found else not any(shared.values())


@given(st.lists(WORDS, min_size=1, max_size=6), st.randoms())
def test_stretches_are_found_whatever_the_blanks_between_their_characters(paragraphs, random):
    blanks = ["", "", " ", "\n", "\r\n  "]
    stretches = [Stretch(str(i), Path("x"), " ".join(words)) for i, words in enumerate(paragraphs)]
    text = "\n".join("".join(char + random.choice(blanks) for char in one.text) for one in stretches)
    spans = locate(text, stretches)
    assert [span.id for span in spans] == [one.id for one in stretches]
    for span, one in zip(spans, stretches, strict=True):
        assert without_spaces(text[span.start : span.end]) == without_spaces(one.text)
    assert all(a.end <= b.start for a, b in pairwise(spans))


def test_a_stretch_that_reading_changed_is_found_by_its_pieces():
    words = [f"낱말{n}번" for n in range(40)]
    text = "머리글 " + " ".join([*words[:20], "바뀐말", *words[21:]]) + " 다음 문단"
    (span,) = locate(text, [Stretch("a", Path("x"), " ".join(words))])
    assert text[span.start : span.end].startswith("낱말0번") and "낱말39번" in text[span.start : span.end]
    assert locate(text, [Stretch("b", Path("x"), "여기에 없는 글" * 20)]) == []


# sets


def test_only_titles_that_a_law_has_once_are_asked_for():
    rows = [
        {"pdf": "a.pdf", "law": "가법", "article": f"제{n}조", "title": title, "page": n}
        for n, title in enumerate(["목적", "벌칙", "벌칙"], start=1)
    ]
    questions = article_questions(rows)
    assert [question.text for question in questions] == ["가법에서 '목적'에 관한 조문은 무엇인가?"]
    assert questions[0].evidence[0].page_start == 1


PAGES = [
    "제1조(목적)\n제2조(정의)",
    "제1조(목적) 이 법은\n제2조(정의) ① 뜻은\n",
    "다음과 같다.\n② 그 밖의\n제3조(벌칙) ②",
]


@pytest.mark.parametrize(
    ("first", "last", "heading", "following", "page"),
    [
        (2, 2, "제1조(목적)", "제2조(정의)", None),
        (2, 3, "제2조(정의)", "제3조(벌칙)", 3),
        (3, 3, "제3조(벌칙)", "", 3),
        (3, 3, "제2조(정의)", "제3조(벌칙)", None),
    ],
)
def test_the_second_paragraph_is_looked_for_within_its_article(first, last, heading, following, page):
    assert page_of_second_paragraph(PAGES, first, last, heading, following) == page


def test_words_that_every_question_has_weigh_nothing_beside_rare_ones():
    questions = ["육아휴직은 어떻게 신청하나요", "쌀값은 어떻게 신청하나요", "전기료는 어떻게 신청하나요"]
    texts = ["육아휴직 급여", "어떻게 신청하는지", "전기료를 어떻게 신청하나"]
    high, low, whole = word_overlaps(questions, texts)
    assert whole == 1 and low < 0.01 and high > 0.99


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=8))
def test_overlap_is_a_share_and_all_of_a_question_that_stands_in_the_text(pairs):
    questions = [" ".join(question) for question, _ in pairs]
    assert all(
        0 <= one <= 1 + 1e-9 for one in word_overlaps(questions, [" ".join(text) for _, text in pairs])
    )
    for question, one in zip(questions, word_overlaps(questions, questions), strict=True):
        assert one == pytest.approx(1) or not any(len(word) > 1 for word in question.split())


def small_set(texts: list[str]) -> RetrievalSet:
    questions = tuple(
        Question(f"q{n}", text, (), (Evidence("a.pdf", 1, 1, f"s{n}"),)) for n, text in enumerate(texts)
    )
    stretches = tuple(Stretch(f"s{n}", Path("a.pdf"), text) for n, text in enumerate(texts))
    return RetrievalSet("small", Corpus("small", ()), "paragraph", questions, stretches)


def test_another_wording_has_the_same_letters_and_gold_and_leaves_out_what_it_does_not_change():
    base = small_set(["육아휴직급여를 신청하려면?", "언제?"])
    assert with_split_compounds("육아휴직급여를 신청하려면?") == "육아 휴직 급여를 신청하려면?"
    for ending, word in {"split": with_split_compounds, "nospace": without_spaces}.items():
        changed = reworded(base, ending, word)
        assert (changed.name, changed.base, len(changed.questions)) == (f"small-{ending}", "small", 1)
        assert without_spaces(changed.questions[0].text) == without_spaces(base.questions[0].text)
        assert gains_of(changed.questions[0], "paragraph") == gains_of(base.questions[0], "paragraph")


def test_fewer_questions_are_the_same_ones_in_every_wording():
    base = small_set([f"질문 {n}번" for n in range(50)])
    few = thinned(base, 10)
    assert len(few.questions) == 10
    other = thinned(reworded(base, "nospace", without_spaces), 10)
    assert [q.id for q in few.questions] == [q.id for q in other.questions]


def test_the_shared_sets_name_files_and_stretches_that_are_there(shared):
    for name in ("korquad1", "welfare", "articles", "ref-numbers"):
        one = SETS[name](shared)
        files = {evidence.pdf for question in one.questions for evidence in question.evidence}
        assert all((shared / file).is_file() for file in files), one.name
        if one.stretches:
            known = {stretch.id for stretch in one.stretches}
            assert all(gains_of(q, one.unit).keys() <= known for q in one.questions), one.name
    whole, least = SETS["welfare"](shared), SETS["welfare-lowoverlap"](shared)
    assert 0.15 < len(least.questions) / len(whole.questions) <= 0.2
    assert low_overlap(whole) == least


def test_a_group_is_its_sets_each_once():
    assert set_names(["ref-tables", "references", "samples"]) == [
        "ref-tables", "ref-articles", "ref-paragraphs", "ref-numbers", "samples",
    ]  # fmt: skip
    assert set(GROUPS["all"]) == set(SETS)


# formats, and a whole run over each


TEXTS = {
    "사과": "사과나무는 봄에 흰 꽃을 피우고 가을에 붉은 열매를 맺는다.",
    "바다": "동해의 물은 깊고 차가우며 겨울에 명태와 대구가 많이 잡힌다.",
    "기차": "증기기관차는 석탄을 때서 물을 끓이고 그 김으로 바퀴를 돌린다.",
}
ASKED = {"q1": ("붉은 열매를 맺는 나무는?", "사과"), "q2": ("명태가 잡히는 곳은?", "바다")}


@pytest.fixture
def korquad_file(tmp_path):
    paragraphs = [
        {
            "context": text,
            "qas": [
                {"id": q, "question": asked, "answers": [{"text": gold, "answer_start": 0}]}
                for q, (asked, gold) in ASKED.items()
                if gold == title
            ],
        }
        for title, text in TEXTS.items()
    ]
    return written(tmp_path / "kq.json", json.dumps({"data": [{"title": "글", "paragraphs": paragraphs}]}))


@pytest.fixture
def beir_folder(tmp_path):
    folder = tmp_path / "beir"
    rows = [{"_id": name, "title": name, "text": text} for name, text in TEXTS.items()]
    rows.append({"_id": "copy", "title": "바다", "text": TEXTS["바다"]})
    written(folder / "corpus.jsonl", json_lines(rows))
    queries = [{"_id": q, "text": asked} for q, (asked, _) in ASKED.items()]
    written(folder / "queries.jsonl", json_lines([*queries, {"_id": "unjudged", "text": "?"}]))
    qrels = ["query-id\tcorpus-id\tscore", "q1\t사과\t2", "q1\t기차\t1", "q2\tcopy\t1", "q2\t사과\t0"]
    written(folder / "qrels" / "test.tsv", "\n".join(qrels) + "\n")
    return folder


@pytest.fixture(params=["csv", "parquet"])
def autorag_folder(tmp_path, request):
    folder = tmp_path / "autorag"
    folder.mkdir()
    corpus = [{"doc_id": name, "contents": text, "metadata": {}} for name, text in TEXTS.items()]
    qa = [
        {"qid": q, "query": asked, "retrieval_gt": [[gold]], "generation_gt": [gold]}
        for q, (asked, gold) in ASKED.items()
    ]
    for name, rows in {"corpus": corpus, "qa": qa}.items():
        if request.param == "csv":
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows[0].keys())
                writer.writeheader()
                writer.writerows(rows)
        else:
            pyarrow = pytest.importorskip("pyarrow")
            from pyarrow import parquet

            rows = [{**row, "metadata": "{}"} if "metadata" in row else row for row in rows]
            parquet.write_table(pyarrow.Table.from_pylist(rows), folder / f"{name}.parquet")
    return folder


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def json_lines(rows: list[dict]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def test_a_file_of_korquad_is_asked_for_its_paragraphs_and_its_index_is_used_again(korquad_file, tmp_path):
    one = read_korquad(korquad_file, tmp_path / "documents")
    assert [(q.id, list(gains_of(q, one.unit)), q.answers) for q in one.questions] == [
        ("q1", ["글#0"], ("사과",)),
        ("q2", ["글#1"], ("바다",)),
    ]
    first = run_sets([one], ["lexical"], tmp_path / "index", BIGRAMS, lambda run: None)
    run = first["runs"][0]
    assert run["measures"]["hit@1"]["mean"] == 1 and run["unplaced"] == run["worst"] == []
    one = read_korquad(korquad_file, tmp_path / "documents")
    second = run_sets([one], ["lexical"], tmp_path / "index", BIGRAMS, lambda run: None)
    assert second["runs"][0]["results"] == run["results"]
    assert [done["corpora"]["korquad-kq"]["version"] for done in (first, second)] == [1, 1]


def test_a_folder_of_beir_has_grades_and_copies_are_one_document(beir_folder, tmp_path):
    one = read_beir(beir_folder, tmp_path / "documents")
    assert {q.id: gains_of(q, one.unit) for q in one.questions} == {
        "q1": {"사과": 2, "기차": 1},
        "q2": {"바다": 1},
    }
    assert [stretch.id for stretch in one.stretches] == ["사과", "바다", "기차"]
    run = run_sets([one], ["lexical"], tmp_path / "index", BIGRAMS, lambda run: None)["runs"][0]
    assert run["measures"]["hit@1"]["mean"] == 1 and run["unplaced"] == []


def test_tables_of_autorag_are_read_as_csv_and_parquet(autorag_folder, tmp_path):
    one = read_autorag(autorag_folder, tmp_path / "documents")
    assert {q.id: gains_of(q, one.unit) for q in one.questions} == {"q1": {"사과": 1}, "q2": {"바다": 1}}
    assert one.questions[0].answers == ("사과",)
    assert [stretch.path.read_text("utf-8") for stretch in one.stretches] == list(TEXTS.values())


def test_a_folder_without_its_files_is_refused_by_name(tmp_path):
    with pytest.raises(BadDataSet, match=r"corpus\.parquet, corpus\.csv"):
        read_autorag(tmp_path, tmp_path / "documents")


def test_a_stretch_whose_file_is_not_in_the_index_is_named(samples):
    assert place_stretches(samples.retriever, [Stretch("weg", Path("/없는.pdf"), "글")]) == ({}, ["weg"])


def test_pages_rank_by_passages_and_gold_counts_once(samples):
    one = SETS["samples"](Path())
    ranker = Ranker(samples.retriever, one)
    for question in one.questions[:12]:
        passages = samples.search(question.text, 20, "lexical")
        units = [ranked.unit for ranked in ranker.rank(question, passages, 10)]
        assert len(units) == len(set(units)) == min(10, len(passages))
        for unit, passage in zip(units, passages, strict=False):
            place = (passage.chunk.first_page, passage.chunk.last_page)
            touched = any(
                place[0] <= gold.page_end and place[1] >= gold.page_start for gold in question.evidence
            )
            assert touched or unit == passage.chunk.id


# report


def test_the_report_needs_no_network_and_takes_what_it_shows_for_data(tmp_path):
    text = "<script>alert(1)</script> 사과나무"
    one = small_set([])
    folder = tmp_path / "documents"
    for n in range(3):
        written(folder / f"{n}" / "글 <b>.txt", f"{text} {n}번째 글은 길지 않다.")
    questions = (Question("q", "사과나무 <i>?", (), (Evidence("x", 1, 1, "nowhere"),)),)
    stretches = (Stretch("first", folder / "0" / "글 <b>.txt", ""),)
    one = RetrievalSet("set <u>", Corpus("c", (folder,)), "document", questions, stretches)
    result = run_sets([one], ["lexical", "dense"], tmp_path / "index", BIGRAMS, lambda run: None)
    page = html_report(result)
    assert "사과나무" in page and "alert(1)" in page
    assert not any(bad in page for bad in ("<script", "<i>", "<u>", "http:", "https:", "글 <b>"))
    assert page.count("<details>") == 2


@given(st.text("가나다 <&>\"'"), st.sets(st.text("가나다", min_size=1, max_size=2)))
def test_marking_words_changes_no_character(text, stems):
    from html import unescape

    bare = marked(text, stems).replace("<mark>", "").replace("</mark>", "")
    assert unescape(bare) == text and "<" not in bare


@given(st.lists(NAMES, min_size=1, max_size=20))
def test_every_question_is_in_one_band(rankings):
    results = run_of({str(i): ranking for i, ranking in enumerate(rankings)}, gold="가")["results"]
    shares = band_shares(results)
    assert sum(shares) == pytest.approx(1)
    first = sum(ranking[0] == "가" for ranking in rankings)
    missed = sum("가" not in ranking[:10] for ranking in rankings)
    assert shares[0] == pytest.approx(first / len(rankings))
    assert shares[-1] == pytest.approx(missed / len(rankings))


def test_the_command_line_says_what_it_does_not_know(tmp_path):
    for arguments, said in {
        ("retrieval", "--set", "korquad2"): "--set korquad2: not one of",
        ("retrieval", "--set", "samples", "--mode", "fast"): "--mode fast: not one of",
        ("retrieval",): "name a set",
        ("retrieval", "--beir", str(tmp_path)): "--beir:",
    }.items():
        done = subprocess.run(
            [sys.executable, "-m", "eval", *arguments],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 1 and said in done.stderr, done.stderr
