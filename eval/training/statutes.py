"""A JSON-lines file of Korean statutes → laws, their articles and plain text.

Each line of the file (may be gzipped) is {"id": "신용보증기금법/시행규칙", "text": …}; the text is YAML
front matter, then Markdown: the law's name as a heading, parts and chapters as headings, and an
article as a heading of five signs, "##### 제3조 (본부장)". After "## 부칙" come the supplementary
provisions, which repeat each other; they are left out.

Statutes are not protected by copyright in the Republic of Korea (Copyright Act, article 7).
"""

import gzip
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Their PDFs are what retrieval is tested on, so neither they nor their decrees and rules are learnt from.
HELD_OUT = (
    "ICT 예산 정책 협의체 운영 등에 관한 지침",
    "가상자산 이용자 보호 등에 관한 법률",
    "개인정보 보호법",
    "공공기관의 운영에 관한 법률",
    "국가연구개발혁신법",
    "국토의 계획 및 이용에 관한 법률",
    "근로기준법",
    "근로자참여 및 협력증진에 관한 법률",
    "금융기관검사및제재에관한규정",
    "금융위원회의 설치 등에 관한 법률",
    "금융회사의 정보처리 업무 위탁에 관한 규정",
    "남녀고용평등과 일ㆍ가정 양립 지원에 관한 법률",
    "노동조합 및 노동관계조정법",
    "방송광고심의에 관한 규정",
    "방송광고판매대행 등에 관한 법률",
    "방송법",
    "방송통신발전기금 운용ㆍ관리규정",
    "부정경쟁방지 및 영업비밀보호에 관한 법률",
    "사이버안보 업무규정",
    "산업기술의 유출방지 및 보호에 관한 법률",
    "산업안전보건법",
    "산업표준화법",
    "소프트웨어 진흥법",
    "신용정보의 이용 및 보호에 관한 법률",
    "위치정보의 보호 및 이용 등에 관한 법률",
    "전기통신사업법",
    "전자금융감독규정",
    "전자문서 및 전자거래 기본법",
    "전자상거래 등에서의 소비자보호에 관한 법률",
    "전자서명법",
    "전자정부법",
    "정보보호 관리등급 부여에 관한 고시",
    "정보보호산업의 진흥에 관한 법률",
    "정보통신ㆍ방송 연구개발 관리규정",
    "정보통신기반 보호법",
    "정보통신망 이용촉진 및 정보보호 등에 관한 법률",
    "정보통신진흥기금 운용ㆍ관리규정",
    "클라우드컴퓨팅 발전 및 이용자 보호에 관한 법률",
    "통신비밀보호법",
    "특정 금융거래정보의 보고 및 이용 등에 관한 법률",
    "표시ㆍ광고의 공정화에 관한 법률",
)

_ARTICLE = re.compile(r"^#{2,6} (제\d+조(?:의\d+)*)(?: ?\((.*)\))? *$", re.M)
_SUPPLEMENT = re.compile(r"^#+ *부 *칙", re.M)
_HEADING = re.compile(r"^#+ *", re.M)
_AMENDED = re.compile(
    r"[<\[](?:개정|신설|전문개정|본조신설|제목개정|종전|시행일|단순위헌|타법개정)[^>\]]*[>\]]"
)


@dataclass(frozen=True, slots=True)
class Article:
    """An article's number ("제3조"), title (may be empty) and text, Markdown and dates of amendment gone."""

    number: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Law:
    """A statute; `id` is its family and kind, "신용보증기금법/시행규칙", `name` as it calls itself."""

    id: str
    name: str
    articles: tuple[Article, ...]
    text: str


def read_laws(path: Path) -> Iterator[Law]:
    """The laws of the file at `path` that are not held out, in its order."""
    open_text = gzip.open if path.suffix == ".gz" else open
    with open_text(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            law = parse_law(entry["id"], entry["text"])
            if not is_held_out(law):
                yield law


def parse_law(law_id: str, text: str) -> Law:
    """The law whose front matter and Markdown `text` is."""
    text = unicodedata.normalize("NFC", html.unescape(text))
    front, body = _split_front_matter(text)
    named = re.search(r"^제목: *'?(.*?)'? *$", front, re.M)
    body = body[: found.start()] if (found := _SUPPLEMENT.search(body)) else body
    headings = list(_ARTICLE.finditer(body))
    ends = [*(heading.start() for heading in headings[1:]), len(body)][: len(headings)]
    articles = tuple(
        Article(heading[1], (heading[2] or "").strip(), _body_text(body[heading.end() : end]))
        for heading, end in zip(headings, ends, strict=True)
    )
    return Law(law_id, named[1] if named else law_id.partition("/")[0], articles, plain_text(body))


def is_held_out(law: Law) -> bool:
    """Whether `law` is one of HELD_OUT or, by its name, a decree or rule of one."""
    names = {_family(law.name), _family(law.id.partition("/")[0])}
    return not names.isdisjoint(_family(name) for name in HELD_OUT)


def plain_text(markdown: str) -> str:
    """`markdown` without its signs; what the law itself says stays."""
    text = _HEADING.sub("", markdown).replace("**", "")
    text = re.sub(r"\\([^\w\s])", r"\1", text)
    text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r" ?\n[ \n]*", "\n", text).strip()


def _body_text(markdown: str) -> str:
    """Plain text of an article: up to the next heading of any kind, dates of amendment gone."""
    body = re.split(r"^#", markdown, maxsplit=1, flags=re.M)[0]
    return plain_text(_AMENDED.sub("", plain_text(body)))


def _split_front_matter(text: str) -> tuple[str, str]:
    if not text.startswith("---\n"):
        return "", text
    front, _, body = text[4:].partition("\n---\n")
    return front, body


def _family(name: str) -> str:
    """A law's name without spaces, middle dots and "시행령" or "시행규칙" at its end."""
    name = re.sub(r"[\sㆍ·‧・]", "", unicodedata.normalize("NFC", name))
    return re.sub(r"시행(?:령|규칙)$", "", name)
