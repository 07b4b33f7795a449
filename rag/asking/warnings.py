"""Notices about an answer, for the user: one function for each.

    code               when it is told
    reranker_off       calibration found that the reranker makes this index worse
    rerank_cut_short   the time was too short to rerank all passages
    other_tokenizer    the index counted its chunks with another tokenizer
    chosen_of_samples  several answers were written, and one of them was chosen
    turns_left_out     earlier turns of the conversation had no room in the window
    answer_cut         the answer ended at the output limit
    in_older_edition   what is cited also stands, or stands differently, in an older edition
    in_newer_edition   what is cited also stands, or stands differently, in a newer edition
    in_copies          what is cited also stands in other places
    tools_repeated, tools_rounds, tools_calls, tools_tokens, tools_room
                       why the model was not allowed to look further
    tools_unused       the model answered without looking anything up

`read_by_ocr`, `unknown_markers` and `margin_kept` are shared with summaries and stand in `rag.wording.notices`.
"""

from collections.abc import Iterable, Sequence

from indexes.types import RerankerTrial
from ingest.errors import Notice
from rag.answer import Citation, LeftOut, PackedPassage
from rag.wording.notices import counted
from rag.wording.places import one_line, where

# At most this many notices name copies of what is cited, and each names at most this many places.
COPY_NOTICES, COPY_PLACES = 3, 2


def reranker_off(tried: RerankerTrial) -> Notice:
    before, after = f"{tried.before:.3f}", f"{tried.after:.3f}"
    return Notice(
        "reranker_off",
        f"이 색인에서는 리랭커 {tried.name} 가 순위를 떨어뜨려 껐습니다"
        f"(문서에서 뽑은 질문으로 nDCG@10 {before} → {after}). rag calibrate 로 다시 잴 수 있습니다.",
        f"The reranker {tried.name} is off for this index, because it made the rankings worse"
        f" (nDCG@10 {before} → {after} on questions drawn from the documents)."
        " rag calibrate measures again.",
    )


def rerank_cut_short(scored: int, wanted: int) -> Notice:
    return Notice(
        "rerank_cut_short",
        f"시간 한도(rerank.timeout_seconds) 안에 발췌문 {wanted}개 가운데 앞의 {scored}개만 다시 줄 세웠습니다.",
        f"Only the first {scored} of {counted(wanted, 'passage')} could be reranked"
        " within rerank.timeout_seconds.",
    )


def other_tokenizer() -> Notice:
    return Notice(
        "other_tokenizer",
        "색인의 청크 크기는 다른 토크나이저로 잰 것입니다.",
        "The index counted the tokens of its chunks with another tokenizer.",
    )


def chosen_of_samples(samples: int) -> Notice:
    return Notice(
        "chosen_of_samples",
        f"답변 후보 {samples}개를 견주어 근거가 가장 잘 뒷받침하는 것을 골랐습니다.",
        f"Of {samples} answers, this is the one that its evidence supports best.",
    )


def turns_left_out(turns: int) -> Notice:
    return Notice(
        "turns_left_out",
        f"창에 자리가 없어 앞선 대화 {turns}개를 모델에 보이지 않았습니다.",
        f"The window had no room for {counted(turns, 'earlier turn')} of the conversation.",
    )


def answer_cut() -> Notice:
    return Notice(
        "answer_cut",
        "답변이 출력 한도에서 끊겼습니다. generator.reserved_output 을 늘려 보세요.",
        "The answer ended at the output limit. Try a larger generator.reserved_output.",
    )


# Where else the cited words stand


def stands_elsewhere(citations: Iterable[Citation], passages: Sequence[PackedPassage]) -> list[Notice]:
    """Notices of where else the cited words stand: one per marker and reason, other editions before copies.

    There are at most `COPY_NOTICES`, and each names at most `COPY_PLACES` places.
    """
    by_marker = {passage.marker: passage.copies for passage in passages}
    own: dict[int, dict[LeftOut, None]] = {}  # by marker; the dict keeps their order and drops repeats
    for cited in citations:
        for out in by_marker[cited.marker]:
            if out.start < cited.end and out.end > cited.start:
                own.setdefault(cited.marker, {})[out] = None
    notices = [
        _elsewhere(marker, left_out)
        for reason in ("older", "newer", "copy")
        for marker in sorted(own)
        if (left_out := [out for out in own[marker] if out.reason == reason])
    ]
    return notices[:COPY_NOTICES]


def _elsewhere(marker: int, left_out: Sequence[LeftOut]) -> Notice:
    """The notice about `left_out`, which were all left out for the same reason."""
    first, more = left_out[0], len(left_out) - COPY_PLACES
    places = ", ".join(map(_place, left_out[:COPY_PLACES])) + (f" 외 {more}곳" if more > 0 else "")
    in_english = ", ".join(map(_english_place, left_out[:COPY_PLACES]))
    in_english += f" and {counted(more, 'other place')}" if more > 0 else ""
    if first.reason == "copy":
        return Notice(
            "in_copies",
            f"[{marker}]의 내용은 {places}에도 있습니다.",
            f"What [{marker}] says also stands in {in_english}.",
        )
    changed = any(out.changed for out in left_out)
    older = first.reason == "older"
    edition, cited = ("이전", "최신판을") if older else ("더 새로운", "질문한 판을")
    differs = "의 글과 다릅니다" if changed else "에도 있습니다"
    stands = "stands differently" if changed else "also stands"
    return Notice(
        "in_older_edition" if older else "in_newer_edition",
        f"[{marker}]의 내용은 {edition} 판 {places}{differs}. {cited} 인용했습니다.",
        f"What [{marker}] says {stands} in {'an older' if older else 'a newer'} edition, {in_english}."
        f" {'The newest edition' if older else 'The edition that was asked about'} is cited.",
    )


def _place(out: LeftOut) -> str:
    """«「개인정보 보호법」(2023. 3. 14.) 12쪽»."""
    date = f"({'. '.join(str(int(part)) for part in out.date.split('-'))}.)" if out.date else ""
    return f"「{one_line(out.title)}」{date} {where(out.first_page, out.last_page, out.unit)}"


def _english_place(out: LeftOut) -> str:
    """«「개인정보 보호법」 (2023-03-14), p. 12»."""
    date = f" ({out.date})" if out.date else ""
    return f"「{one_line(out.title)}」{date}, {where(out.first_page, out.last_page, out.unit, 'en')}"


# Where the model looked things up itself


def tools_repeated() -> Notice:
    return Notice(
        "tools_repeated",
        "모델이 같은 호출만 되풀이해 지금까지 찾은 것으로 답했습니다.",
        "The model only repeated its calls, so the answer is from what it had found until then.",
    )


def tools_rounds(rounds: int) -> Notice:
    return Notice(
        "tools_rounds",
        f"도구를 {rounds}번까지 쓰고 지금까지 찾은 것으로 답했습니다(tools.rounds).",
        f"After {counted(rounds, 'round')} (tools.rounds) the answer is from what was found until then.",
    )


def tools_calls(calls: int) -> Notice:
    return Notice(
        "tools_calls",
        f"도구를 {calls}번 호출하고 지금까지 찾은 것으로 답했습니다(tools.calls).",
        f"After {counted(calls, 'call')} (tools.calls) the answer is from what was found until then.",
    )


def tools_tokens(spent: int) -> Notice:
    return Notice(
        "tools_tokens",
        f"토큰을 {spent:,}개 쓰고 지금까지 찾은 것으로 답했습니다(tools.tokens).",
        f"After {counted(spent, 'token')} (tools.tokens) the answer is from what was found until then.",
    )


def tools_room() -> Notice:
    return Notice(
        "tools_room",
        "창에 자리가 없어 지금까지 찾은 것으로 답했습니다.",
        "The window was full, so the answer is from what was found until then.",
    )


def tools_unused() -> Notice:
    return Notice(
        "tools_unused",
        "모델이 찾아보지 않고 답해, 질문으로 찾은 발췌문으로 다시 답했습니다.",
        "The model answered without looking anything up, so the question was searched for and answered again.",
    )
