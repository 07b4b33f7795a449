"""Markdown read by a parser that is not ours, and text that has a meaning in Markdown if it is not escaped."""

from collections.abc import Iterator

from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

PARSER = MarkdownIt("gfm-like")  # tables, HTML, and a linkifier that makes links of bare addresses
# Each of these has a meaning (a link, HTML, a table …) if it is written to a Markdown file without escaping.
HOSTILE = [
    "![그림](http://evil.example/p.png)",
    "![x][1]\n\n[1]: http://evil.example",
    "[1](http://evil.example) 근거",
    "[1]: http://evil.example",
    "[보기](javascript:alert(1))",
    "[[1]](http://evil.example)",
    '<img src="http://evil.example/p.png">',
    "<script>alert(1)</script>",
    "<http://evil.example>",
    "<!-- 숨김",
    "&lt;b&gt; &amp;",
    "http://evil.example/a_b_c 참고",
    "https://evil.example//localhost",
    "www.evil.example",
    "mailto:kim@evil.example",
    "문의: kim@evil.example, evil.com",
    "1~3일, ~~5~7일~~",
    "*굵게* __밑줄__ `코드`",
    "\\[x](http://evil.example)",
    "$\\href{http://evil.example}{x}$",
    "# 제목 #",
    "> 인용",
    "- 목록",
    "+ 목록",
    "2024. 5. 1.부터",
    "3) 항",
    "---",
    "===",
    "```\n코드",
    "a | b\n--- | ---",
    "[ ] 할 일",
    "[^1]: 각주",
    "    들여쓰기",
    "보고서\r\n\x0b\x85\u2028\u202e끝\x00\x1b[31m",
]
PIECES = [
    *HOSTILE,
    *"[]()!<>&\\`*_~#|/.:@-+=1. \n\t가a",
    "http:",
    "//",
    "www.",
    ".com",
    "[1]",
    "](",
    "]:",
    "localhost",
]
texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=30)
WORDS = {"text", "code_inline", "softbreak"}


def inline_tokens(markdown: str) -> Iterator[Token]:
    """The inline tokens of `markdown`; asserts that it has no block of HTML."""
    for token in PARSER.parse(markdown):
        assert token.type != "html_block"
        yield from token.children or ()


def shown(markdown: str) -> str:
    """The words of `markdown`; asserts that it holds nothing else: no link, picture, emphasis or HTML."""
    tokens = list(inline_tokens(markdown))
    assert {token.type for token in tokens} <= WORDS
    return "".join(token.content for token in tokens)


def blocks(markdown: str) -> list[str]:
    """The types of all block tokens of `markdown`, as the parser names them."""
    return [token.type for token in PARSER.parse(markdown)]
