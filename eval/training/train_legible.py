"""`python -m eval.training.train_legible SHARED`: the pairs of syllables that Korean is written with → ingest/korean/pairs.bin.

Counted in the 2,355 statutes of the shared folder, which are public domain, so that what is learnt
from them may be shipped. Law knows no dishes, no talk and few names, and a list of those is a real
page: pairs of the syllables of names count as known, and those of a few lines written for this file.
"""

import argparse
import gzip
import json
import sys
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.korean.legible import FREQUENT, PAIRS

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
UNKNOWN_TO_LAW = """
쌀밥 현미밥 보리밥 콩밥 잡곡밥 볶음밥 비빔밥 덮밥 김밥 주먹밥 미역국 된장국 북엇국 콩나물국 무국 시금치국 떡국 만둣국
육개장 곰탕 갈비탕 삼계탕 감자탕 매운탕 순두부찌개 김치찌개 된장찌개 부대찌개 동태찌개 제육볶음 오징어볶음 멸치볶음
감자볶음 어묵볶음 버섯볶음 떡볶이 라볶이 불고기 닭갈비 돈가스 생선가스 탕수육 깐풍기 닭강정 갈비찜 계란찜 달걀말이
생선구이 고등어조림 두부조림 장조림 배추김치 깍두기 총각김치 열무김치 오이무침 콩나물무침 시금치나물 도라지나물 잡채
냉면 칼국수 잔치국수 짜장면 짬뽕 우동 라면 파스타 스파게티 샐러드 샌드위치 햄버거 피자 치킨 요구르트 우유 과일주스
나는 너는 뭐야 뭐해 어디야 어떡해 그랬어 했어 갔어 왔어 먹었어 봤어 알았어 몰라 진짜 정말 너무 그냥 좀 빨리 같이
그래서 그런데 그러니까 왜냐하면 있잖아 맞아 좋아 싫어 괜찮아 고마워 미안해 사랑해 할게 갈게 먹을래 볼까 가자 하자
했네요 그렇죠 같아요 있어요 없어요 했어요 예뻐요 재밌어요 맛있어요 아니에요 거예요 할까요 주세요 계세요
도널드 트럼프 조지 워싱턴 에이브러햄 링컨 윌리엄 셰익스피어 빈센트 반 고흐 레오나르도 다빈치 알베르트 아인슈타인
블라디미르 나폴레옹 크리스토퍼 콜럼버스 마이클 조던 엘리자베스 알렉산더 프란치스코 베토벤 모차르트 스티븐 로버트
"""


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
    """Which pairs are Korean."""
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    known = (counts >= LEAST_COUNT) & (counts >= LEAST_RATIO * expected)
    surnames, given = (
        [FREQUENT.index(char) for char in name if char in FREQUENT] for name in (SURNAMES, GIVEN)
    )
    for before, after in ((surnames, given), (given, given), (given, surnames)):
        known[np.ix_(before, after)] = True
    extra = "".join(char for char in UNKNOWN_TO_LAW if not char.isspace())
    for first, second in pairwise(extra):
        if first in FREQUENT and second in FREQUENT:
            known[FREQUENT.index(first), FREQUENT.index(second)] = True
    return known


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("shared", type=Path, metavar="SHARED", help="the folder that holds data/text")
    known = known_pairs(count_pairs(parser.parse_args().shared / "data/text/statutes.jsonl.gz"))
    PAIRS.write_bytes(zlib.compress(np.packbits(known).tobytes(), 9))
    print(f"{known.sum():,} of {known.size:,} pairs, {PAIRS.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
