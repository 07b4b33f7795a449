"""Whatever a document, a model or a file name holds, Markdown shows its words: read by another's parser."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.wording.markdown import markdown_line, markdown_lines, markdown_table, markdown_words, plain_line
from tests.support.markdown import HOSTILE, PARSER, WORDS, blocks, shown, texts


@given(texts)
def test_words_in_a_heading_are_only_words(text):
    written = f"# 「{markdown_words(text)}」"
    assert shown(written) == f"「{plain_line(text)}」"
    assert blocks(written) == ["heading_open", "inline", "heading_close"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_heading_of_nothing_else_is_only_words(text):
    assert shown(f"# {markdown_words(text)}\n") == plain_line(text)


@given(texts)
@example("2024. 5. 1.부터")
@example("=")
def test_a_line_is_a_paragraph_of_only_words(text):
    assert shown(f"앞\n\n{markdown_line(text)}\n") == "앞" + plain_line(text)
    assert set(blocks(markdown_line(text))) <= {"paragraph_open", "inline", "paragraph_close"}
    assert shown(f"앞\n{markdown_line(text)}\n").endswith(plain_line(text))


@given(texts.filter(plain_line))
def test_an_item_of_a_list_is_only_words(text):
    written = f"- {markdown_line(text)}\n"
    assert shown(written) == plain_line(text)
    assert [kind for kind in blocks(written) if kind.endswith("_open")] == [
        "bullet_list_open", "list_item_open", "paragraph_open"
    ]  # fmt: skip


def test_lines_keep_their_bullets():
    assert markdown_lines("- 하나 [1]\n- # 둘 [2](x)") == "- 하나 [1]\n- \\# 둘 [2]\\(x)"


@given(
    st.integers(1, 3).flatmap(
        lambda n: st.lists(st.lists(texts, min_size=n, max_size=n), min_size=1, max_size=4)
    )
)
def test_a_table_has_a_cell_for_each_and_only_its_words(rows):
    cells = [token for token in PARSER.parse(markdown_table(rows[0], rows[1:])) if token.type == "inline"]
    assert len(cells) == sum(map(len, rows))
    for cell, text in zip(cells, [text for row in rows for text in row], strict=True):
        lines = "".join("\n" if token.content == "<br>" else token.content for token in cell.children)
        assert {token.type for token in cell.children if token.content != "<br>"} <= WORDS
        assert [" ".join(line.split()) for line in lines.split("\n")] == (
            [plain_line(line) for line in text.splitlines()] or [""]
        )


@given(st.text())
def test_a_plain_line_breaks_nowhere(text):
    line = plain_line(text)
    assert len(line.splitlines()) <= 1 and line == line.strip()
    assert plain_line(line) == line
