"""The section `[search]` of the configuration: how passages are searched for."""

from dataclasses import dataclass
from typing import Literal

from indexes.types import MODES, Mode


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """`k`: passages retrieved for a query. `dense_weight`: weight of the cosine beside BM25 in hybrid mode; "auto"
    takes the one that calibration found for the index.

    `analyser`: "kiwi" (morphemes and bigrams) or "bigram" (no start-up time, a little less exact).
    `dictionary`: a file with one word on each line that is indexed as a whole; empty for none.
    """

    k: int = 120
    mode: Mode = "hybrid"
    dense_weight: float | Literal["auto"] = "auto"
    analyser: str = "kiwi"
    dictionary: str = ""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"search.k must be at least 1, got {self.k}")
        if self.mode not in MODES:
            raise ValueError(f"search.mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if self.dense_weight != "auto" and (isinstance(self.dense_weight, str) or self.dense_weight < 0):
            raise ValueError(f'search.dense_weight must be "auto" or at least 0, got {self.dense_weight!r}')
        if self.analyser not in ("kiwi", "bigram"):
            raise ValueError(f"search.analyser must be kiwi or bigram, got {self.analyser!r}")

    @property
    def fixed_weight(self) -> float | None:
        """`dense_weight` as a number; None for "auto"."""
        return None if isinstance(self.dense_weight, str) else self.dense_weight
