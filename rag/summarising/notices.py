"""The notices shown beside a summary: one function for each, and `notices_of`, which puts them in order."""

from collections.abc import Callable, Sequence
from itertools import chain

from ingest.errors import Notice
from rag.answer import Citation, Figure
from rag.summarising.stated import Tally
from rag.wording.notices import counted, margin_kept, read_by_ocr, unknown_markers


def notices_of(
    tally: Tally,
    citations: Sequence[Citation],
    figures: Sequence[Figure],
    *,
    has_text: bool,
    from_document: bool,
    margin: int,
) -> tuple[Notice, ...]:
    """The notices of one summary, in the order in which they are shown.

    Args:
        has_text: the document has text that can be read.
        from_document: the summary consists of the document's own sentences, because there is no model or it gave
            nothing of use.
        margin: tokens of the window that the generator leaves free.
    """
    missing = sum(not figure.stands for figure in figures)
    told = (
        () if has_text else (nothing_to_read(),),
        (nothing_found(),) if has_text and not citations else (),
        _counted(unknown_markers, tally.unknown),
        _counted(no_rows, tally.shapeless),
        _counted(uncited_sentences, tally.uncited),
        _counted(unfounded_sentences, tally.unfounded),
        _counted(unconfirmed_figures, missing),
        _counted(replaced_completions, tally.replaced),
        (model_found_nothing(),) if tally.none_here and from_document and citations else (),
        _counted(over_length, tally.extra),
        (summary_cut(),) if tally.cut else (),
        _counted(margin_kept, margin),
    )
    return (*read_by_ocr(citations), *chain.from_iterable(told))


def _counted(notice: Callable[[int], Notice], count: int) -> tuple[Notice, ...]:
    return (notice(count),) if count else ()


def nothing_to_read() -> Notice:
    return Notice(
        "nothing_to_read",
        "읽을 수 있는 글이 없어 요약하지 못했습니다.",
        "There is no readable text to summarise.",
    )


def nothing_found() -> Notice:
    return Notice(
        "nothing_found",
        "이 문서에서 해당하는 내용을 찾지 못했습니다.",
        "Nothing of what was asked for was found in this document.",
    )


def no_rows(count: int) -> Notice:
    return Notice(
        "no_rows",
        f"표의 행이 아닌 줄 {count}개를 뺐습니다.",
        f"Left out {counted(count, 'line')} of what the model wrote, not being rows of the table.",
    )


def uncited_sentences(count: int) -> Notice:
    return Notice(
        "uncited_sentences",
        f"인용 번호가 없는 문장 {count}개를 뺐습니다.",
        f"Left out {counted(count, 'sentence')} without a marker.",
    )


def unfounded_sentences(count: int) -> Notice:
    return Notice(
        "unfounded_sentences",
        f"근거에 없는 수치가 든 문장 {count}개를 뺐습니다.",
        f"Left out {counted(count, 'sentence')} with figures that no quote holds.",
    )


def unconfirmed_figures(count: int) -> Notice:
    return Notice(
        "unconfirmed_figures",
        f"근거에서 확인되지 않은 수치가 {count}개 있습니다. 원문에서 확인하세요.",
        f"The quotes do not confirm {counted(count, 'figure')}. Check the document.",
    )


def replaced_completions(count: int) -> Notice:
    return Notice(
        "replaced_completions",
        f"모델의 글을 쓸 수 없어 {count}번은 원문의 문장으로 대신했습니다.",
        f"What the model wrote was of no use {counted(count, 'time')}: sentences of the document stand in for it.",
    )


def model_found_nothing() -> Notice:
    return Notice(
        "model_found_nothing",
        "모델은 이 문서에서 해당하는 내용을 찾지 못했습니다. 원문에서 고른 것이니 확인하세요.",
        "The model found nothing of what was asked for in this document. What you see was picked from the document"
        " without the model: check it.",
    )


def over_length(count: int) -> Notice:
    return Notice(
        "over_length",
        f"정한 길이를 넘은 문장 {count}개를 뺐습니다.",
        f"Left out {counted(count, 'sentence')} beyond the length that was asked for.",
    )


def summary_cut() -> Notice:
    return Notice(
        "summary_cut",
        "요약이 출력 한도에서 끊겼습니다. generator.reserved_output 이나 --tokens 를 늘려 보세요.",
        "The summary was cut at the limit of the output. Raise generator.reserved_output or --tokens.",
    )
