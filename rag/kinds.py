"""What a summary is asked for: its kind, length and style. A kind is a prompt and a shape of output."""

from dataclasses import dataclass
from typing import Literal

Style = Literal["서술형", "개조식"]
STYLES: tuple[Style, ...] = ("서술형", "개조식")
# What happens to a sentence with a figure that stands in none of its quotes.
OnFigures = Literal["report", "drop"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of summary.

    `task` asks for it where all that is to be summarised stands in the prompt; `part` asks for what to
    keep of one window of several, of which the summary is then written. Both are templates of `length`,
    `task` also of `style`. What comes back is read as sentences, each with the markers of its evidence.
    """

    name: str
    task: str
    part: str


EXECUTIVE = Kind(
    "executive",
    "위 발췌문을 의사결정자를 위한 핵심 요약으로 정리하세요. 무엇에 관한 문서이고 결론이 무엇인지부터 쓰고, 중요한 사실과"
    " 수치, 결정 사항, 기한, 위험을 중요한 순서로 씁니다. {length} 씁니다. {style}",
    "위 발췌문은 긴 문서의 한 부분입니다. 나중에 문서 전체의 요약을 쓸 수 있도록 이 부분의 중요한 사실, 수치, 결정 사항,"
    " 기한을 빠짐없이 간결하게 적으세요. 문장 하나에 사실 하나씩, {length} 씁니다.",
)
KINDS = {kind.name: kind for kind in (EXECUTIVE,)}
STYLE_RULES: dict[Style, str] = {
    "서술형": "완결된 문장(~다.)으로 이어 씁니다.",
    "개조식": "개조식으로, 한 줄에 한 항목씩 «- »로 시작해 명사형(~함, ~임)으로 끝맺습니다.",
}


@dataclass(frozen=True, slots=True)
class SummaryConfig:
    """How long summaries are where nobody says it, and what becomes of figures without evidence."""

    sentences: int = 10
    figures: OnFigures = "report"

    def __post_init__(self) -> None:
        if self.sentences < 1:
            raise ValueError(f"summary.sentences must be at least 1, got {self.sentences}")
        if self.figures not in ("report", "drop"):
            raise ValueError(f"summary.figures must be report or drop, got {self.figures!r}")


@dataclass(frozen=True, slots=True)
class SummaryOptions:
    """What one job asks for. `sentences` or `tokens` is the length at most; neither: as configured."""

    kind: str = EXECUTIVE.name
    sentences: int | None = None
    tokens: int | None = None
    style: Style = "서술형"

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
