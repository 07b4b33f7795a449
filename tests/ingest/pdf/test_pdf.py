"""One PDF file → raw pages: structure, passwords and every way in which a file can be bad."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.constants import PageLabelStyle

from ingest.errors import UnreadableFile
from ingest.pdf.read import read_pdf
from ingest.raw import OutlineEntry, RawFile
from tests.support.files.pdfs import make_pdf

PAGES = [["제1장 총칙", "이 규정은 목적을 정한다."], ["제2장 위원회", "위원회는 아홉 명으로 구성한다."], []]


def read(data: bytes, *passwords: str, name: str = "규정.pdf", max_pages: int = 100) -> RawFile:
    return read_pdf(Path(name), data, passwords, max_pages)


def reason(data: bytes, *passwords: str, **options) -> str:
    with pytest.raises(UnreadableFile) as caught:
        read(data, *passwords, **options)
    assert caught.value.say("en") and caught.value.say("ko") and caught.value.path
    return caught.value.code


def rewritten(change) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(BytesIO(make_pdf(PAGES))))
    change(writer)
    stream = BytesIO()
    writer.write(stream)
    return stream.getvalue()


def encrypted(user: str, owner: str, algorithm: str = "AES-256") -> bytes:
    return rewritten(lambda writer: writer.encrypt(user, owner, algorithm=algorithm))


def test_text_comes_out_page_by_page_as_it_went_in():
    raw = read(make_pdf(PAGES))
    assert [page.number for page in raw.pages] == [1, 2, 3]
    assert [page.text.split("\r\n") for page in raw.pages[:2]] == PAGES[:2]
    assert (raw.pages[2].text, raw.pages[2].drawn) == ("", False)
    shown = [raw.pages[line.page].text[a:b] for line in raw.lines for cell in line.cells for a, b in cell]
    assert shown == PAGES[0] + PAGES[1]


def test_bookmarks_are_read_with_their_pages():
    raw = read(make_pdf(PAGES, outline=[("제1장 총칙", 1), ("제2장 위원회", 2)]))
    assert raw.outline == (OutlineEntry(1, "제1장 총칙", 1), OutlineEntry(1, "제2장 위원회", 2))


def test_printed_page_labels_are_read_and_without_them_pages_count():
    def label(writer: PdfWriter) -> None:
        writer.set_page_label(0, 0, style=PageLabelStyle.LOWERCASE_ROMAN)
        writer.set_page_label(1, 2, prefix="가-", style=PageLabelStyle.DECIMAL)

    assert [page.label for page in read(rewritten(label)).pages] == ["i", "가-1", "가-2"]
    assert [page.label for page in read(make_pdf(PAGES)).pages] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("name", "metadata", "title"),
    [
        ("취업_규칙.pdf", "Microsoft Word - 제목 없음", "취업 규칙"),
        ("1234.pdf", "취업 규칙", "취업 규칙"),
        ("1234.pdf", "", "1234"),
        ("\u1100\u1161\u11a8\u110e\u1175\u11a8.pdf", "", "각칙"),
        ("취업규칙".encode("cp949").decode("utf-8", "surrogateescape") + ".pdf", "", "취업규칙"),
    ],
)
def test_the_title_is_the_name_of_the_file_unless_that_says_nothing(name, metadata, title):
    assert read(make_pdf(PAGES, title=metadata), name=name).title == title


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_a_password_is_needed_and_opens(algorithm):
    data = (
        encrypted("비밀1234", "owner", algorithm)
        if algorithm == "AES-256"
        else encrypted("secret", "owner", algorithm)
    )
    password = "비밀1234" if algorithm == "AES-256" else "secret"
    assert reason(data) == "encrypted"
    assert reason(data, "wrong") == "encrypted"
    assert "목적을 정한다" in read(data, "wrong", password).pages[0].text


def test_a_file_locked_only_against_changes_reads_without_a_password():
    assert "목적을 정한다" in read(encrypted("", "owner")).pages[0].text


def test_a_text_file_is_no_pdf_whatever_its_name():
    assert reason("개인정보 보호 지침\n".encode()) == "not_pdf"


def test_a_header_may_stand_a_little_behind_the_beginning():
    assert read(b"\n" * 100 + make_pdf(PAGES)).pages[0].text


def test_a_file_with_a_header_and_nothing_else_is_damaged():
    assert reason(b"%PDF-1.7\n" + b"\0" * 500) == "damaged"


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.97])
def test_a_truncated_file_is_damaged_or_read_in_part(share):
    data = make_pdf(PAGES, outline=[("제1장 총칙", 1)])
    try:
        raw = read(data[: int(share * len(data))])
    except UnreadableFile as failure:
        assert failure.code == "damaged"
    else:
        assert any(page.text for page in raw.pages)


def test_a_file_over_the_limit_of_pages_is_refused():
    assert reason(make_pdf(PAGES), max_pages=2) == "too_large"


def test_pages_that_a_file_only_claims_are_none():
    data = make_pdf(PAGES).replace(b"/Count 3", b"/Count 19000")
    assert [page.number for page in read(data).pages] == [1, 2, 3]


def test_a_page_that_cannot_be_loaded_amid_others_stays_a_page():
    data = make_pdf(PAGES)
    kids = re.search(rb"/Kids \[(\d+) 0 R (\d+) 0 R", data)
    pages = read(data.replace(b"%s 0 R" % kids[2], b"%d 0 R" % (10 ** len(kids[2]) - 1), 1)).pages
    assert len(pages) == 3 and pages[0].text and not pages[1].text


def test_a_file_that_pdfium_refuses_is_read_from_a_copy():
    lost = re.sub(rb"/Root \d+ 0 R", b"/Root 99 0 R", make_pdf(PAGES, outline=[("제1장 총칙", 1)]))
    raw = read(lost)
    assert [page.text for page in raw.pages] == [page.text for page in read(make_pdf(PAGES)).pages]
    assert raw.outline == (OutlineEntry(1, "제1장 총칙", 1),)


@pytest.mark.shared
def test_what_only_pypdf_opens_is_read_from_its_copy(shared):
    data = (shared / "data/pdf/robustness/bug1782186.pdf").read_bytes()
    assert len(read(data, "Hello").pages) == 1
    assert reason(data, "hello") == reason(data) == "encrypted"
    # Its owner's password is empty, the user's is not.
    assert reason((shared / "data/pdf/robustness/pr6531_2.pdf").read_bytes()) == "encrypted"


def test_every_code_has_its_wording_in_both_languages():
    from ingest.errors import FILE_CODES

    for code in FILE_CODES:
        failure = UnreadableFile(code, "/문서/규정.pdf", "x")
        assert failure.code == code and failure.say("en") != failure.say("ko")
        assert "{" not in failure.say("en") + failure.say("ko") and failure.remedy("ko")
