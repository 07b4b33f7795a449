"""Passwords: which file gets which, their file, and locked PDFs of every kind."""

import unicodedata
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from ingest.errors import UnreadableFile
from ingest.parse import IngestConfig, Parsed, ParseOptions, Parser
from ingest.passwords import passwords_for, with_patterns
from rag.cli.main import main
from rag.cli.terminal.passwords import read_passwords
from rag.errors import InputUnreadable
from tests.support.files.pdfs import make_pdf
from tests.support.parsing import CHARACTERS

LOCKED = "제9조(비밀) 임직원은 비밀을 지켜야 한다."


def lock(path: Path, password: str, algorithm: str = "AES-256") -> Path:
    writer = PdfWriter(clone_from=PdfReader(BytesIO(make_pdf([[LOCKED]]))))
    writer.encrypt(password, owner_password="주인만 아는 말", algorithm=algorithm)
    with path.open("wb") as file:
        writer.write(file)
    return path


def outcome(path: Path, *passwords: str | tuple[str, str]) -> str:
    parser = Parser(ParseOptions(CHARACTERS, "bigram", passwords=with_patterns(passwords)))
    try:
        return parser.parse(str(path)).document.text
    except UnreadableFile as failure:
        return failure.code


@pytest.mark.parametrize(
    ("algorithm", "password"),
    [("RC4-128", "secret 1"), ("AES-128", "secret 1"), ("AES-256", "비밀 번호 1"), ("AES-256-R5", "비밀")],
)
def test_every_kind_of_lock_opens_with_its_password_only(tmp_path, algorithm, password):
    path = lock(tmp_path / "잠긴.pdf", password, algorithm)
    assert outcome(path) == outcome(path, "틀린 것") == outcome(path, ("다른*", password)) == "encrypted"
    assert LOCKED in outcome(path, "틀린 것", password)


@pytest.mark.parametrize(
    "typed",
    [
        unicodedata.normalize("NFD", "비밀번호가나"),  # as macOS gives it
        "비밀\u00ad번호가나",  # a soft hyphen that came along with the copy
        "비밀번호\u200d가나",
    ],
)
def test_a_password_opens_however_it_was_typed(tmp_path, typed):
    assert LOCKED in outcome(lock(tmp_path / "잠긴.pdf", "비밀번호가나"), typed)


def test_a_password_of_a_space_from_the_hangul_keyboard_opens(tmp_path):
    assert LOCKED in outcome(lock(tmp_path / "잠긴.pdf", "비밀 번호"), "비밀\u3000번호")


def test_specific_patterns_go_first():
    pairs = [("*", "누구나"), ("*.pdf", "모두"), ("인사_*.pdf", "인사"), ("인사_2026.pdf", "하나")]
    assert passwords_for("/문서/인사_2026.pdf", pairs) == ["하나", "인사", "모두", "누구나"]
    assert passwords_for("/문서/재무_2026.pdf", pairs) == ["모두", "누구나"]
    assert passwords_for("/문서/메모.txt", pairs) == ["누구나"]


def test_patterns_fit_names_and_paths_however_they_are_composed():
    path = unicodedata.normalize("NFD", "/문서/계약/가나.pdf")
    for pattern in (
        "가나.pdf",
        "가*",
        "*/계약/*",
        "/문서/계약/가나.pdf",
        unicodedata.normalize("NFD", "가나.*"),
    ):
        assert passwords_for(path, [(pattern, "암호")]) == ["암호"], pattern
    assert passwords_for("/문서/[초안] 가나.pdf", [("[초안] 가나.pdf", "암호")]) == ["암호"]


def test_what_can_be_no_password_is_left_out():
    assert passwords_for("가.pdf", with_patterns(["a\0b", "\udcff", "", "같은", "같은"])) == ["같은"]


def test_a_file_of_passwords_is_read_line_by_line(tmp_path):
    path = tmp_path / "암호.txt"
    path.write_bytes(
        "\ufeff# 설명\r\n\r\n인사_*.pdf = 비밀 번호 \r\n계약.pdf = a = b\n모든 파일의 것\na=b\n* = #1\n".encode()
    )
    assert read_passwords(path) == [
        ("인사_*.pdf", "비밀 번호 "),
        ("계약.pdf", "a = b"),
        ("*", "모든 파일의 것"),
        ("*", "a=b"),
        ("*", "#1"),
    ]


@given(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), min_size=1))
def test_any_password_of_one_line_comes_out_as_it_went_in(tmp_path_factory, password):
    path = tmp_path_factory.mktemp("암호") / "암호.txt"
    path.write_text(f"*.pdf = {password}\n", encoding="utf-8")
    assert read_passwords(path) == [("*.pdf", password)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("좋은 줄\n".encode() + "비밀말".encode("cp949"), "line 2 is not UTF-8"),
        ("# 주석\n = 비밀말".encode(), "line 2 has no pattern"),
        ("가.pdf = \n".encode(), "line 1 has no password"),
    ],
)
def test_a_bad_line_is_named_and_not_shown(tmp_path, content, says):
    path = tmp_path / "암호.txt"
    path.write_bytes(content)
    with pytest.raises(InputUnreadable) as caught:
        read_passwords(path)
    assert says in caught.value.say("ko") and "비밀" not in caught.value.say("ko")


def test_a_missing_file_of_passwords_is_an_error(tmp_path):
    with pytest.raises(InputUnreadable):
        read_passwords(tmp_path / "없는.txt")


def test_options_do_not_show_their_passwords():
    assert "비밀말" not in repr(ParseOptions(CHARACTERS, passwords=(("*", "비밀말"),)))


def test_the_command_line_takes_a_file_and_keeps_its_secrets(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "문서"
    folder.mkdir()
    lock(folder / "인사_1.pdf", "하나의비밀말")
    lock(folder / "재무_1.pdf", "둘의비밀말")
    lock(folder / "닫힌.pdf", "아무도 모르는 말")
    passwords = tmp_path / "암호.txt"
    passwords.write_text("인사_* = 하나의비밀말\n", encoding="utf-8")
    arguments = ["--passwords", str(passwords), "--password", "둘의비밀말", "--json"]
    assert main(["ingest", str(folder), *arguments]) == 3
    shown = "".join(capsys.readouterr())
    assert '"added": 2' in shown and '"encrypted"' in shown and "비밀말" not in shown
    for file in (tmp_path / "rag-index").rglob("*"):
        assert not file.is_file() or "비밀말".encode() not in file.read_bytes()
    passwords.write_bytes(b" = x")
    assert main(["ingest", str(folder), *arguments]) == 1
    assert "line 1" in capsys.readouterr().err


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "passwords"),
    [
        ("derived_전자서명법_userpw_test1234.pdf", ("test1234",)),
        ("libreoffice-writer-password.pdf", ("openpassword",)),
        ("password-protected.pdf", ("test",)),
        ("saslprep-r6.pdf", ("S\u00aaSL\u00adprep",)),
        ("issue15893_reduced.pdf", ("test",)),
        ("issue6010_1.pdf", ("abc",)),
        ("2206.01062_pg3.pdf", ("1234",)),
        ("print_protection.pdf", ("1234",)),
    ],
)
def test_shared_files_open(shared, name, passwords):
    path = str(shared / "data" / "pdf" / "robustness" / name)
    options = ParseOptions(CHARACTERS, "bigram", limits=IngestConfig(), passwords=with_patterns(passwords))
    assert isinstance(Parser(options).parse(path), Parsed)
