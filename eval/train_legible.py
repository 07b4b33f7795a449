"""`python -m eval.train_legible [SHARED]`: the pairs of syllables that Korean is written with → ingest/pairs.bin.

Counted in the 2,355 statutes of the shared folder, which are public domain, so that what is learnt
from them may be shipped. Law has few names of persons, and a list of names is a real page: pairs of
the syllables of names count as known.
"""

import gzip
import json
import sys
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.legible import FREQUENT, PAIRS

# A pair is known where it stands in the statutes so often, and so often as against two syllables
# drawn by chance: a map of characters in another order makes pairs by chance.
LEAST_COUNT = 5
LEAST_RATIO = 0.25
SURNAMES = (
    "김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구민진나지엄원채천방공현함"
    "변여추도소석선설마길연위표명기반왕옥"
)
GIVEN = (
    "가강건경관광교국규근기길나남다대덕도동라란람래련례로록리린림만명모무문미민배백범병보복봉빈산상생서석선"
    "설섭성세소솔수숙순슬승시식신아안애언엽영예오옥온완용우욱운웅원유윤율은의이익인일임자장재전정제조종주준중"
    "지진찬창채천철춘충치태택표필하학한해혁현형혜호홍화환효훈휘흠희"
)


def count_pairs(statutes: Path) -> NDArray[np.int64]:
    """How often each two of FREQUENT stand side by side, blanks aside; rows are first syllables."""
    size = len(FREQUENT)
    ranks = np.full(0x110000, -1, np.int32)
    ranks[[ord(char) for char in FREQUENT]] = np.arange(size)
    counts = np.zeros(size * size, np.int64)
    with gzip.open(statutes, "rt", encoding="utf-8") as lines:
        for line in lines:
            text = "".join(json.loads(line)["text"].split())
            found = ranks[np.frombuffer(text.encode("utf-32-le"), np.uint32)]
            first, second = found[:-1], found[1:]
            pairs = (first >= 0) & (second >= 0)
            counts += np.bincount(first[pairs] * size + second[pairs], minlength=size * size)
    return counts.reshape(size, size)


def known_pairs(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pairs are Korean. None of a syllable with itself: a map that lost its order repeats one."""
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    known = (counts >= LEAST_COUNT) & (counts >= LEAST_RATIO * expected)
    surnames, given = (
        [FREQUENT.index(char) for char in name if char in FREQUENT] for name in (SURNAMES, GIVEN)
    )
    for before, after in ((surnames, given), (given, given), (given, surnames)):
        known[np.ix_(before, after)] = True
    np.fill_diagonal(known, False)
    return known


def main() -> int:
    shared = Path(sys.argv[1])
    known = known_pairs(count_pairs(shared / "data/text/statutes.jsonl.gz"))
    PAIRS.write_bytes(zlib.compress(np.packbits(known).tobytes(), 9))
    print(f"{known.sum():,} of {known.size:,} pairs, {PAIRS.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
