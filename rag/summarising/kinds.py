"""What a summary is asked for: its kind, length and style. A kind is a prompt and a shape of output."""

from dataclasses import dataclass
from typing import Literal

from rag.prompting.prompts import NONE_HERE

Style = Literal["서술형", "개조식"]
STYLES: tuple[Style, ...] = ("서술형", "개조식")
# A sentence with a figure that is in none of its quotes is kept with a notice, or left out.
OnFigures = Literal["report", "drop"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of summary.

    `task` asks for the summary when everything to be summarised is in the prompt; `part` asks what to keep of one
    window among several, from which the summary is written later. Both are templates with `length` and
    `instruction`, `task` also with `style`. A completion is read as sentences, each with the markers of its
    evidence; for a kind with `columns`, as rows: lines of `len(columns)` cells, separated by «|».

    `value`: the indices of the cells that form a row's value; its figures or words must be in the row's quote.
    `may_be_none`: a window may hold nothing of this kind, and the model may say so.
    `by_chapter`: each chapter is summarised on its own, and a length is that of one chapter.
    `sentences`: the default length; None for the configured one.
    """

    name: str
    task: str
    part: str
    columns: tuple[str, ...] = ()
    value: tuple[int, ...] = ()
    may_be_none: bool = False
    by_chapter: bool = False
    sentences: int | None = None


EXECUTIVE = Kind(
    "executive",
    "위 발췌문을 의사결정자를 위한 핵심 요약으로 정리하세요. 무엇에 관한 문서이고 결론이 무엇인지부터 쓰고, 중요한 사실과"
    " 수치, 결정 사항, 기한, 위험을 중요한 순서로 씁니다. {length} 씁니다. {style}",
    "위 발췌문은 긴 문서의 한 부분입니다. 나중에 문서 전체의 요약을 쓸 수 있도록 이 부분의 중요한 사실, 수치, 결정 사항,"
    " 기한을 빠짐없이 간결하게 적으세요. 문장 하나에 사실 하나씩, {length} 씁니다.",
)
SECTIONS = Kind(
    "sections",
    "위 발췌문에 나오는 장을 차례대로 요약하세요. 장마다 그 장에서 가장 중요한 사실, 수치, 결정 사항, 기한을 {length} 쓰고,"
    " 한 문장에는 한 장의 내용만 담습니다. 장의 제목은 쓰지 않습니다. {style}",
    "위 발췌문은 한 장의 일부입니다. 나중에 그 장의 요약을 쓸 수 있도록 중요한 사실, 수치, 결정 사항, 기한을 빠짐없이"
    " 간결하게 적으세요. 문장 하나에 사실 하나씩, {length} 씁니다.",
    by_chapter=True,
    sentences=3,
)
_OR_NONE = f" 그런 내용이 없으면 «{NONE_HERE}»이라고만 씁니다."
_ROWS = "다른 말 없이 한 줄에 하나씩 «{form} [발췌문 번호]» 형식으로만"
_FIGURES = _ROWS.format(form="항목 | 값 | 단위")
_ACTIONS = _ROWS.format(form="할 일 | 담당 | 기한")
FIGURES = Kind(
    "figures",
    "위 발췌문에서 이 문서를 읽는 사람이 알아야 할 핵심 수치를 중요한 순서로 뽑으세요. 항목에는 무엇의 수치인지 시점까지"
    f" 적고, 값과 단위는 발췌문에 적힌 그대로 옮깁니다. {_FIGURES} {{length}} 씁니다.{_OR_NONE}",
    "위 발췌문은 긴 문서의 한 부분입니다. 이 부분의 중요한 수치를 뽑으세요. 항목에는 무엇의 수치인지 시점까지 적고, 값과"
    f" 단위는 발췌문에 적힌 그대로 옮깁니다. {_FIGURES} {{length}} 씁니다.{_OR_NONE}",
    columns=("항목", "값", "단위"),
    value=(1, 2),
    may_be_none=True,
)
ACTIONS = Kind(
    "actions",
    "위 발췌문에서 누군가가 해야 할 일(제출, 조치, 개선, 이행, 보고 등)과 기한을 중요한 순서로 뽑으세요. 담당과 기한은"
    f" 발췌문에 적힌 그대로 옮기고, 적혀 있지 않으면 «-»로 둡니다. {_ACTIONS} {{length}} 씁니다.{_OR_NONE}",
    "위 발췌문은 긴 문서의 한 부분입니다. 이 부분에서 누군가가 해야 할 일과 기한을 뽑으세요. 담당과 기한은 발췌문에 적힌"
    f" 그대로 옮기고, 적혀 있지 않으면 «-»로 둡니다. {_ACTIONS} {{length}} 씁니다.{_OR_NONE}",
    columns=("할 일", "담당", "기한"),
    value=(2,),
    may_be_none=True,
)
CUSTOM = Kind(
    "custom",
    "위 발췌문만 근거로 삼아 다음 요청에 따라 정리하세요.\n요청: {instruction}\n{length} 씁니다. {style}"
    + _OR_NONE,
    "위 발췌문은 긴 문서의 한 부분입니다. 나중에 문서 전체를 다음 요청에 따라 정리할 수 있도록, 이 부분에서 요청과 관계있는"
    " 사실, 수치, 기한을 빠짐없이 간결하게 적으세요.\n요청: {instruction}\n문장 하나에 사실 하나씩, {length} 씁니다."
    + _OR_NONE,
    may_be_none=True,
)
KINDS = {kind.name: kind for kind in (EXECUTIVE, SECTIONS, FIGURES, ACTIONS, CUSTOM)}
# The name of the last column: the pages of a row's evidence.
PAGES_COLUMN = "쪽"
STYLE_RULES: dict[Style, str] = {
    "서술형": "완결된 문장(~다.)으로 이어 씁니다.",
    "개조식": "개조식으로, 한 줄에 한 항목씩 «- »로 시작해 명사형(~함, ~임)으로 끝맺습니다.",
}


@dataclass(frozen=True, slots=True)
class SummaryConfig:
    """`sentences`: the length of a summary by default. `figures`: what happens to figures without evidence."""

    sentences: int = 10
    figures: OnFigures = "report"

    def __post_init__(self) -> None:
        if self.sentences < 1:
            raise ValueError(f"summary.sentences must be at least 1, got {self.sentences}")
        if self.figures not in ("report", "drop"):
            raise ValueError(f"summary.figures must be report or drop, got {self.figures!r}")


@dataclass(frozen=True, slots=True)
class SummaryOptions:
    """What one job asks for.

    `sentences` (for kinds with columns: rows) or `tokens` limits the length; with neither, the configured length
    holds. `instruction`: what the user wants from a summary of the kind `custom`; empty for all other kinds.
    """

    kind: str = EXECUTIVE.name
    sentences: int | None = None
    tokens: int | None = None
    style: Style = "서술형"
    instruction: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.style not in STYLES:
            raise ValueError(f"style must be one of {', '.join(STYLES)}, got {self.style!r}")
        for name in ("sentences", "tokens"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.sentences and self.tokens:
            raise ValueError("give sentences or tokens, not both")
        if (self.kind == CUSTOM.name) != bool(self.instruction.strip()):
            raise ValueError("an instruction goes with the kind custom, and with no other")
