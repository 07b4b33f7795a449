"""What travels between processes arrives as it was sent, whole."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from ingest.parse import IngestConfig, Parsed, ParseOptions, Parser, Reading
from ingest.pdf.ocr import Tesseract
from ingest.structure.chunking import ChunkingConfig
from ingest.workers import wire
from ingest.workers.jobs import Draw, Locate, Picture, Start
from tests.support.files.pdfs import make_pdf
from tests.support.parsing import CHARACTERS, options

OPTIONS = ParseOptions(
    tokenizer_json=CHARACTERS,
    analyser="bigram",
    chunking=ChunkingConfig(max_tokens=77),
    limits=IngestConfig(workers=3, timeout_seconds=1.5, max_memory_mb=99, ocr="auto"),
    passwords=(("*.pdf", "비밀"), ("*", "\udcff")),
    tesseract=Tesseract("/usr/bin/tesseract", "5.3.0", "Hangul"),
    dictionary=("청년도약계좌", "한국형 사전"),
)


def sent(value: Any) -> Any:
    return wire.build(type(value), json.loads(wire.dump(value)))


def test_every_option_arrives():
    plain = ParseOptions(CHARACTERS)
    assert all(getattr(OPTIONS, field.name) != getattr(plain, field.name) for field in fields(plain)[1:])
    assert sent(Start(OPTIONS, reads=True)) == Start(OPTIONS, reads=True)
    assert sent(plain) == plain and sent(replace(OPTIONS, tesseract=None)).tesseract is None


@pytest.mark.parametrize("ask", [Parser.parse, Parser.read])
def test_every_field_of_a_result_arrives(tmp_path: Path, ask):
    path = tmp_path / "규정.pdf"
    path.write_bytes(
        make_pdf([["제1장 총칙", "제1조(목적) 이 규정은 목적을 정한다."], ["제2조 끝이다.", "- 2 -"]])
    )
    result = ask(Parser(options()), str(path))
    assert isinstance(result, Parsed | Reading) and any(page.source for page in result.document.pages)
    assert sent(result) == result
    assert sent(Locate(str(path), result.document.pages, 3, 9)).pages == result.document.pages


def test_bytes_and_boxes_arrive():
    assert sent(Picture("png", b"\x00\xff\n", 595.2, 842.0)) == Picture("png", b"\x00\xff\n", 595.2, 842.0)
    draw = Draw("가\udcff.pdf", 3, ((0.1, 0.2, 1e300, 4.0), (0.0, 0.0, 0.0, 0.0)), 1.3, "smaller")
    assert sent(draw) == draw
