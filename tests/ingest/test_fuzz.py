"""A slice of the fuzzer over the sample documents; `make fuzz` runs it over the shared ones."""

import json
from collections import Counter
from random import Random

import pytest

from eval.dataset import SAMPLES
from ingest.document import Document, Page
from ingest.korean.analyse import bigrams
from ingest.pdf.read import read_pdf
from tests.fuzz.__main__ import find_sources
from tests.fuzz.laws import garbled_pages
from tests.fuzz.mutate import MUTATIONS, mutate
from tests.fuzz.run import Broken, FuzzReport, fuzz_options, make_case, run
from tests.support.laws import tries
from tests.support.parsing import CHARACTERS

SOURCES = sorted(SAMPLES.glob("*.pdf"))


def test_damaged_samples_are_read_whole_or_refused(tmp_path):
    count = tries(60)
    report = run(SOURCES, 7, range(count), fuzz_options(CHARACTERS), tmp_path)
    assert not report.broken
    assert sum(sum(row.values()) for row in report.outcomes.values()) == count
    assert not list(tmp_path.iterdir())


def test_a_report_is_saved_as_counts_and_findings(tmp_path):
    report = FuzzReport(7, {"flip_few": Counter(read=2)}, [Broken(3, "가.pdf", "flip_few", "무엇")])
    report.save(tmp_path / "안" / "보고.json")
    saved = json.loads((tmp_path / "안" / "보고.json").read_text(encoding="utf-8"))
    assert saved["outcomes"] == {"flip_few": {"read": 2}} and saved["broken"][0]["index"] == 3


KOREAN = "위원회는 관계 기관의 추천을 받아 위원을 위촉하고 그 결과를 지체 없이 국민에게 공개하여야 한다. " * 2
OTHER = "The committee shall publish the results without delay. " * 3


@pytest.mark.parametrize(
    ("text", "garbled"),
    [(KOREAN, False), (OTHER, False), ("Ëª Ìp ÍÎq ÌÎ ÏÐ Ñ¬w Òé Óx " * 5, True), ("뷁쀍뙬쭯뼇 " * 20, True)],
)
def test_garbled_pages_are_told_from_moved_ones(text, garbled):
    document = Document("0" * 16, "글", text, (Page(1, "1", 0, len(text), True),), ())
    found = garbled_pages(document, {1: KOREAN, 2: OTHER}, set(bigrams(KOREAN)))
    assert bool(found) is garbled


def test_a_page_of_the_file_that_parts_were_taken_from_is_not_garbled():
    text = OTHER.swapcase() * 2
    document = Document("0" * 16, "글", text, (Page(1, "1", 0, len(text), True),), ())
    assert garbled_pages(document, {1: KOREAN}, set(bigrams(KOREAN)))
    assert not garbled_pages(document, {1: KOREAN}, set(bigrams(KOREAN)), [text])


# Cases that the fuzzer found: a table with permuted entries, in few words or many; a missing font, so that its
# glyphs give no characters, or bytes, or numbers; a table of random characters.
FOUND = [
    (45, 10),
    (170, 1),
    (457, 183),
    (234, 3),
    (372, 3),
    (871, 52),
    (885, 16),
    (1024, 1),
    (1140, 7),
    (1536, 2),
]


@pytest.mark.shared
@pytest.mark.parametrize(("index", "number"), FOUND)
def test_a_page_that_nobody_could_read_gives_no_text(shared, index, number):
    case = make_case(find_sources(shared), 7, index)
    raw = read_pdf(case.source, case.data, (), 999)
    assert raw.pages[number - 1].drawn
    assert not [line for line in raw.lines if line.page == number - 1]


def test_the_same_seed_and_number_give_the_same_file():
    assert make_case(SOURCES, 7, 3) == make_case(SOURCES, 7, 3)
    assert make_case(SOURCES, 7, 3).data != make_case(SOURCES, 8, 3).data


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_changes_a_sample_or_finds_nothing_to_change(name):
    made = []
    for seed in range(5):
        data = SOURCES[seed % len(SOURCES)].read_bytes()
        made.append((data, MUTATIONS[name](data, Random(seed), data)))
    if name == "damage_object_stream":  # the samples have none
        assert not any(b"/ObjStm" in data for data, _ in made) and all(after is None for _, after in made)
    else:
        assert sum(after not in (None, data) for data, after in made) >= 3


def test_a_file_without_any_structure_is_damaged_too():
    damaged, name = mutate(b"%PDF-", Random(1), b"")
    assert damaged != b"%PDF-" and name in MUTATIONS


@pytest.mark.shared
def test_a_font_that_fails_does_not_leave_its_points_as_text(shared):
    # PDFium finds «1. 2. ( )» where the page says «②옴부즈만은 1회에 한하여 재위촉할 수 있다.»
    case = make_case(find_sources(shared), 7, 122)
    raw = read_pdf(case.source, case.data, (), 100)
    assert [page.engine for page in raw.pages] == ["pdfminer"] * 4
    assert "재위촉할 수 있다" in raw.pages[1].text
