"""The real PDFs of the shared folder: laws, reports, guides, and files made to break readers."""

import re
import unicodedata
from pathlib import Path

import pytest

from ingest.errors import FILE_CODES, UnreadableFile
from ingest.parse import IngestConfig, Parsed, ParseOptions
from ingest.pdf.read import read_pdf
from ingest.repair.normalise import normalise
from ingest.workers.pool import WorkerPool
from tests.support.files.raw import assert_leads_back
from tests.support.laws import PROFILE, some
from tests.support.parsing import CHARACTERS

pytestmark = pytest.mark.shared
READABLE = ("statutes", "agency", "safety_guides", "misc")
SAMPLE = 40  # of these, or of the broken ones, are read in every run; all in the full profile


def pdfs(folder: Path, *names: str) -> list[Path]:
    return [
        path for name in names for path in sorted((folder / "data" / "pdf" / name).rglob("*.[pP][dD][fF]"))
    ]


def read(folder: Path, *names: str, **more) -> list[Parsed | UnreadableFile]:
    paths = list(map(str, some(pdfs(folder, *names), SAMPLE)))
    options = ParseOptions(CHARACTERS, "bigram", limits=IngestConfig(workers=2, timeout_seconds=60), **more)
    with WorkerPool(options) as pool:
        results = list(pool.parse(paths))
    assert [result.path for result in results] == paths
    return results


@pytest.fixture(scope="module")
def results(shared):
    return read(shared, *READABLE)


@pytest.fixture(scope="module")
def robust(shared):
    return read(shared, "robustness")


def test_every_file_gives_a_document_or_a_reason(results):
    assert len(results) == (128 if PROFILE == "full" else SAMPLE)
    failed = {Path(result.path).name: result.code for result in results if isinstance(result, UnreadableFile)}
    assert set(failed.values()) <= {"no_text"}, failed
    assert len(failed) <= 10, failed


def test_chunks_and_pages_tile_every_document(results):
    for parsed in results:
        if isinstance(parsed, Parsed):
            text = parsed.document.text
            assert "".join(chunk.text for chunk in parsed.chunks) == text
            assert [page.start for page in parsed.document.pages] == [
                0,
                *(p.end for p in parsed.document.pages),
            ][:-1]
            assert parsed.document.pages[-1].end == len(text)
            assert all(chunk.tokens <= 400 for chunk in parsed.chunks)
            assert len(parsed.terms) == len(parsed.chunks)


def test_every_kept_character_of_every_file_leads_back_to_its_raw_character(shared):
    kept = 0
    files = some(pdfs(shared, *READABLE), 20)
    for path in files:
        raw = read_pdf(path, path.read_bytes(), (), 20_000)
        kept += assert_leads_back(raw, normalise(raw))
    assert kept > (2_000_000 if PROFILE == "full" else 1_000 * len(files))


def test_every_text_is_clean(results):
    for parsed in results:
        if isinstance(parsed, Parsed):
            text = parsed.document.text
            assert unicodedata.is_normalized("NFC", text)
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]|  ", text), parsed.path


def test_chunks_end_between_words(results):
    inside = total = 0
    for parsed in results:
        if isinstance(parsed, Parsed):
            for before, after in zip(parsed.chunks, parsed.chunks[1:], strict=False):
                total += 1
                inside += not (before.text[-1].isspace() or after.text[0].isspace())
    assert inside == 0, f"{inside} of {total}"


def test_statutes_have_their_articles_as_headings(results):
    statutes = [r for r in results if isinstance(r, Parsed) and "/statutes/" in r.path]
    assert len(statutes) > (50 if PROFILE == "full" else 0)
    without = [s.path for s in statutes if sum("조(" in h.title for h in s.document.headings) < 3]
    # 54 are there: of a part of them, as of all
    assert len(without) <= 0.05 * max(len(statutes), 54), without


def test_no_file_made_to_break_readers_breaks_the_run_or_comes_out_empty(robust):
    assert len(robust) == 35
    for result in robust:
        if isinstance(result, Parsed):
            assert result.document.text.strip()
        else:
            assert result.code in FILE_CODES


def test_the_known_bad_files_have_their_reasons(robust):
    code = {Path(result.path).name: getattr(result, "code", "read") for result in robust}
    assert code["derived_전자서명법_userpw_test1234.pdf"] == "encrypted"
    assert code["derived_전자서명법_ownerpw_noextract.pdf"] == "read"
    assert code["derived_전자서명법_scan150dpi.pdf"] == "no_text"
    assert code["derived_전자서명법_truncated60.pdf"] in ("read", "damaged")
    assert not {"crashed", "timeout", "memory"} & set(code.values()), code


# What a person reads on the page.
READS = {
    "Pages-tree-refs.pdf": "Testcase: ’Pages loop’",
    "bug1627427_reduced.pdf": "침하게 흐린 품이 눈이 올 듯하더니 눈은 아니 오고 얼다가 만 비가 추",
    "bug1771477.pdf": "안녕하세요 세계",
    "bug900822.pdf": "Test test test",
    "cid-font-no-tounicode.pdf": "The quick brown fox jumps over the lazy dog 0123456789",
    "encrypted-attachment.pdf": "Example",
    "invalid-chars.pdf": "hello world 123",
    "issue5010.pdf": "인터뷰●홍인혜카피라이터",
    "issue5334.pdf": "SPECIFICATION",
    "poppler-67295-0.pdf": "TestString123",
    "poppler-91414-0-53.pdf": "foobar",
    "poppler-91414-0-54.pdf": "foobar",
}
FAILS = {
    "2206.01062_pg3.pdf": "encrypted",
    "bug1782186.pdf": "encrypted",
    "empty_protected.pdf": "no_text",  # a blank page
    "fake-jpg.pdf": "not_pdf",
    "issue15893_reduced.pdf": "encrypted",
    "issue3371.pdf": "encrypted",
    "issue6010_1.pdf": "encrypted",
    "landscape_scan.pdf": "no_text",
    "libreoffice-writer-password.pdf": "encrypted",
    "password-protected.pdf": "encrypted",
    "poppler-85140-0.pdf": "no_text",
    "pr6531_2.pdf": "encrypted",
    "print_protection.pdf": "encrypted",
    "saslprep-r6.pdf": "encrypted",
}


def test_files_made_to_break_readers_read_as_a_person_reads_them(robust):
    texts = {Path(result.path).name: result.document.text for result in robust if isinstance(result, Parsed)}
    assert {name: text in texts.get(name, "") for name, text in READS.items()} == dict.fromkeys(READS, True)


def test_files_without_readable_text_say_why(robust):
    code = {Path(result.path).name: getattr(result, "code", "read") for result in robust}
    assert {name: code[name] for name in FAILS} == FAILS


def test_a_map_that_lies_is_not_believed(robust):
    (result,) = [result for result in robust if result.path.endswith("issue4061.pdf")]
    assert not isinstance(result, Parsed) or "針針針" not in result.document.text


def test_a_password_opens_what_it_locks(shared):
    (result,) = [
        r
        for r in read(shared, "robustness", passwords=(("*", "틀린 것"), ("*", "test1234")))
        if "userpw_test1234" in r.path
    ]
    assert isinstance(result, Parsed) and "전자서명" in result.document.text
