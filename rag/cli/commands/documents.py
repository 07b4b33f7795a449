"""Commands about single documents: `rag text`, `tokens`, `list`, `show`, `inspect`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from rag.cli.terminal.console import err, one_line, out, print_json, print_text
from rag.cli.terminal.inputs import one_of, read_text, write_file
from rag.cli.terminal.opening import open_pipeline
from rag.cli.terminal.options import (
    COMMON,
    DEFAULT_INDEX,
    KEYS,
    SEEN,
    Common,
    IndexOption,
    Keys,
    OcrOption,
    Seen,
    family,
    grouped,
)
from rag.cli.terminal.views import (
    page_count,
)
from rag.display.words import place
from rag.errors import PageNotFound
from rag.language import language, say
from rag.viewing.inspect import report_json, selected, terminal_report
from rag.viewing.inspect_html import PICTURES, draw_pages, html_report
from rag.wire.bodies import list_json, show_json, text_json, tokens_json

commands = family()


@commands.command(
    help=say("색인에 저장된 문서의 글을 봅니다.", "Print the stored text of a document, or a part of it.")
)
@grouped
def text(
    document: Annotated[str, typer.Argument(metavar="ID", help=say("아이디나 파일 이름", "id or file name"))],
    page: Annotated[int | None, typer.Option(min=1, help=say("이 쪽만", "only this page"))] = None,
    start: Annotated[int | None, typer.Option(min=0, help=say("첫 글자", "first character"))] = None,
    end: Annotated[
        int | None, typer.Option(min=0, help=say("끝 글자(제외)", "last character, excluded"))
    ] = None,
    seen: Seen = SEEN,
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    with open_pipeline(index, common) as pipeline:
        found = pipeline.document(document, seen.allowed)
        pages = pipeline.reader.pages(found.document_id)
        if page is not None:
            count = len(pages)
            pages = [p for p in pages if p.number == page]
            if not pages:
                raise PageNotFound(page=page, pages=count)
            start, end = pages[0].start, pages[0].end
        start = start or 0
        body = pipeline.text(found, start, end)
        if not common.as_json:
            print_text(body)
            return
        print_json(text_json(found, start, body, pages))


@commands.command(
    help=say(
        "설정된 토크나이저로 글의 토큰 수를 정확히 셉니다.",
        "Count the tokens of a text in the configured tokenizer, exactly.",
    )
)
@grouped
def tokens(
    text: Annotated[str | None, typer.Argument(help=say("글", "the text"))] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help=say("글이 든 UTF-8 파일", "a UTF-8 file"))
    ] = None,
    common: Common = COMMON,
) -> None:
    one_of(text, file, "TEXT", "--file")
    body = read_text(file) if file else text
    tokenizer = open_pipeline(DEFAULT_INDEX, common).tokenizer
    counted = tokens_json(tokenizer.count(body), tokenizer.name, len(body))
    if common.as_json:
        print_json(counted)
    else:
        out().print(
            say(
                f"{counted['tokens']:,}토큰 · {counted['characters']:,}자 · {tokenizer.name}",
                f"{counted['tokens']:,} tokens · {counted['characters']:,} characters · {tokenizer.name}",
            )
        )


@commands.command("list", help=say("색인된 문서의 목록입니다.", "List the documents of the index."))
@grouped
def list_documents(
    seen: Seen = SEEN,
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    with open_pipeline(index, common) as pipeline:
        found = pipeline.documents(seen.allowed)
        unreadable = pipeline.reader.unreadable_pages(found)
        doubtful = pipeline.reader.doubtful_pages(found)
        if common.as_json:
            print_json(list_json(found, unreadable, doubtful))
            return
    table = Table(box=None, pad_edge=False)
    for name in (
        say("아이디", "id"),
        say("제목", "title"),
        say("쪽", "pages"),
        say("청크", "chunks"),
        say("그룹", "groups"),
    ):
        table.add_column(name, overflow="fold")
    for d in found:
        table.add_row(
            d.document_id,
            Text(one_line(d.title)),
            page_count(d.pages, d.unit),
            f"{d.chunks:,}",
            ", ".join(d.groups),
        )
    out().print(table)


@commands.command(
    help=say(
        "문서의 쪽을 그림(PNG)으로 저장하고, 인용한 글자를 노랗게 표시합니다.",
        "Write the page of a document as a PNG, with the cited characters marked in yellow.",
    )
)
@grouped
def show(
    document: Annotated[str, typer.Argument(metavar="ID", help=say("아이디나 파일 이름", "id or file name"))],
    start: Annotated[
        int | None, typer.Option(min=0, help=say("인용의 start", "the citation's start"))
    ] = None,
    end: Annotated[int | None, typer.Option(min=0, help=say("인용의 end", "the citation's end"))] = None,
    page: Annotated[int | None, typer.Option(min=1, help=say("이 쪽만", "only this page"))] = None,
    picture: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help=say(
                "만들 파일; 여러 쪽이면 page.png, page-2.png …",
                "the file to write; for several pages page.png, page-2.png …",
            ),
        ),
    ] = Path("page.png"),
    scale: Annotated[
        float, typer.Option(min=0.1, max=10.0, help=say("1포인트의 픽셀 수", "pixels for a point"))
    ] = 2.0,
    keys: Keys = KEYS,
    seen: Seen = SEEN,
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    if (start is None) != (end is None) or (start is None and page is None):
        raise typer.BadParameter(
            say("--start 와 --end, 또는 --page 를 주세요", "give --start and --end, or --page")
        )
    given = keys.given
    with open_pipeline(index, common) as pipeline:
        found = pipeline.document(document, seen.allowed)
        pages = []
        for shown in pipeline.show(found, start, end, page=page, scale=scale, passwords=given):
            name = f"-{len(pages) + 1}" if pages else ""
            file = picture.with_name(f"{picture.stem}{name}{picture.suffix}")
            write_file(file, shown.png)
            pages.append((shown, file))
    if common.as_json:
        print_json(show_json(found, start, end, pages))
        return
    for shown, file in pages:
        where = place(shown.number, shown.number, "page")
        out().print(Text(one_line(f"{where}: {file}")), soft_wrap=True)
        if start is not None and not shown.boxes:
            nowhere = say("이 쪽에서 글자의 자리를 찾지 못했습니다", "the span was not found on this page")
            err().print(Text(one_line(f"! {nowhere}"), style="yellow"), soft_wrap=True)


@commands.command(
    help=say(
        "파일 하나에서 기계가 무엇을 읽었는지 보여 줍니다: 제목, 표, 차례, 뺀 머리글, 청크의 경계. 색인은 필요 없습니다.",
        "Show what was read from one file: headings, tables, contents, what was left out, where chunks end."
        " No index is needed.",
    )
)
@grouped
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=say("파일", "the file"))],
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.html",
            help=say("쪽 그림이 든 HTML 파일 하나로 저장", "write one HTML file with pictures of the pages"),
        ),
    ] = None,
    page: Annotated[
        list[int], typer.Option(min=1, help=say("이 쪽만(여러 번 쓸 수 있음)", "only this page (repeatable)"))
    ] = [],
    keys: Keys = KEYS,
    ocr: OcrOption = None,
    common: Common = COMMON,
) -> None:
    common = common.setting(ingest__ocr=ocr)
    given = keys.given
    with open_pipeline(DEFAULT_INDEX, common) as pipeline:
        reading = pipeline.inspect(file, given)
    wanted = selected(reading, page)
    if html is not None:
        pictures = draw_pages(reading, given, wanted if page else wanted[:PICTURES], pipeline.config.ingest)
        report = html_report(reading, pictures, wanted, language())
        write_file(html, report.encode("utf-8", "replace"))  # a file's name may be no Unicode
    if common.as_json:
        print_json(report_json(reading, str(file), wanted))
    elif html is not None:
        out().print(say(f"{html} 을(를) 만들었습니다.", f"wrote {html}"), soft_wrap=True)
    else:
        console = out()
        for part in terminal_report(reading, wanted, language()):
            console.print(part)
