"""A font's outlines tell a right table from one whose entries are permuted, whatever the words are."""

import re
from io import BytesIO
from pathlib import Path
from random import Random

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.dataset import SAMPLES
from ingest.korean.legible import is_english
from ingest.pdf import pdfium
from ingest.pdf.glyphs import Drawn, Fonts, agreement
from ingest.pdf.read import characters, read_pdf

RULES = SAMPLES / "취업규칙.pdf"
PAIRS = st.lists(st.tuples(st.integers(-20, 30), st.integers(1, 500)), min_size=2, max_size=80)
TARGET = re.compile(rb"(?<=> )<[0-9A-Fa-f]{4,}>(?=\s*\n)")


def note(data: bytes) -> tuple[Fonts, list[Drawn]]:
    pdf = pypdfium2.PdfDocument(data)
    fonts = Fonts()
    pages = [page.get_textpage() for page in pdf]
    drawn = [fonts.note(pdfium.handle_of(page), characters(page), set()) for page in pages]
    return fonts, drawn


def with_tables(data: bytes, change) -> bytes:
    """The PDF `data` with each ToUnicode table changed by `change`, and removed where that gives None."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import DecodedStreamObject

    writer = PdfWriter(clone_from=PdfReader(BytesIO(data)))
    for item in list(writer._objects):
        font = item.get_object()
        if isinstance(font, dict) and "/ToUnicode" in font:
            table = change(font["/ToUnicode"].get_data())
            del font["/ToUnicode"]
            if table is not None:
                stream = DecodedStreamObject()
                stream.set_data(table)
                font[_name("/ToUnicode")] = writer._add_object(stream)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def _name(text: str):
    from pypdf.generic import NameObject

    return NameObject(text)


def _rewritten(table: bytes, order) -> bytes:
    targets = TARGET.findall(table)
    assert len(targets) > 10
    changed = iter(order(targets))
    return TARGET.sub(lambda _: next(changed), table)


def shuffled(seed: int):
    return lambda table: _rewritten(table, lambda targets: Random(seed).sample(targets, len(targets)))


def turned(steps: int):
    return lambda table: _rewritten(table, lambda targets: targets[steps:] + targets[:steps])


@given(PAIRS, st.integers(2, 9))
def test_agreement_is_that_of_the_shape_and_not_of_the_pen(pairs, pen):
    strokes, pieces = map(list, zip(*pairs, strict=True))
    plain = agreement(strokes, pieces)
    assert -1.001 <= plain <= 1.001
    assert agreement(strokes, [pen * count for count in pieces]) == pytest.approx(plain, abs=1e-6)
    assert agreement([3 * value + 7 for value in strokes], pieces) == pytest.approx(plain, abs=1e-6)


def test_a_font_of_boxes_tells_nothing():
    assert agreement([1, 5, 9], [4, 4, 4]) == 1.0
    assert agreement([1, 5, 9], [10, 100, 1000]) == pytest.approx(1)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.pdf")), ids=lambda path: path.stem)
def test_the_fonts_of_the_samples_are_read_right(path):
    fonts, drawn = note(path.read_bytes())
    assert fonts.misread() == set()
    assert [page.unmapped for page in drawn] == [0] * len(drawn)
    assert all(page.share(page.fonts) == 1 for page in drawn)


@pytest.mark.parametrize(
    "change", [*(shuffled(seed) for seed in range(6)), turned(1), turned(-1), turned(40)]
)
def test_a_page_whose_table_has_its_entries_exchanged_is_not_text(change):
    raw = read_pdf(Path("규칙.pdf"), with_tables(RULES.read_bytes(), change), (), 99)
    assert len(raw.pages) == 33 and not raw.lines


def test_the_same_file_with_its_tables_written_again_is_read_as_before():
    same = read_pdf(RULES, with_tables(RULES.read_bytes(), turned(0)), (), 99)
    assert same == read_pdf(RULES, RULES.read_bytes(), (), 99)


def test_numbers_of_glyphs_are_no_characters():
    data = with_tables(RULES.read_bytes(), lambda table: None)
    _, drawn = note(data)
    assert max(page.unmapped for page in drawn) > 0.5
    assert not read_pdf(RULES, data, (), 99).lines


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("Thestudyexaminestheeffectofworkinghours", True),
        ("THISAGREEMENTISMADEON12MAY2019", True),
        ("u" * 200, False),
        (',04)"(6*%&$…Fg¶uaZân™s±w-g½dŠZâj‚', False),
        ("⓹⫱═Gᵄ㇠㢬㢌Gᵄ㇠⸨Ḕ㉐UUUUUUUUU", False),
        ("qtfwzxcvbnmkjhgdsprt", False),
        ("", False),
    ],
)
def test_codes_that_read_as_english_pass(text, english):
    assert is_english(text) is english
