"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from ingest.parse import Ocr
from rag.language import say

IndexOption = Annotated[
    Path, typer.Option("--index", metavar="DIR", help=say("색인 폴더", "folder of the index"))
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help=say("설정 파일(기본: 있으면 ./rag.toml)", "settings (default: ./rag.toml if there is one)"),
    ),
]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help=say("설정 하나를 바꿈, 예: search.k=20", "change one setting, e.g. search.k=20"),
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help=say("JSON으로 출력", "print JSON on standard output"))
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help=say("오류의 자세한 위치를 보임", "show where an error came from"))
]
AsOption = Annotated[
    list[str],
    typer.Option(
        "--as",
        metavar="GROUP",
        help=say("이 그룹의 문서만(여러 번 쓸 수 있음)", "only documents of this group (repeatable)"),
    ),
]
DocumentOption = Annotated[
    list[str],
    typer.Option(
        "--document",
        metavar="ID",
        help=say(
            "이 문서만: 아이디, 파일 이름, 경로 무늬(여러 번 쓸 수 있음)",
            "only this document: id, file name or path pattern (repeatable)",
        ),
    ),
]
PasswordOption = Annotated[
    list[str], typer.Option(help=say("암호가 걸린 PDF의 암호", "password of locked PDFs"))
]
PasswordsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=say(
            "암호 파일: 한 줄에 «파일무늬 = 암호», 무늬가 없으면 모든 파일의 암호(UTF-8, # 주석)",
            "file of passwords: «pattern = password» a line, without a pattern for every file"
            " (UTF-8, # comments)",
        ),
    ),
]
OcrOption = Annotated[
    Ocr | None,
    typer.Option(
        help=say(
            "글자가 없거나 깨진 쪽(스캔 등)을 Tesseract로 읽음(기본: off)",
            "read pages without readable text, such as scans, by Tesseract (default: off)",
        )
    ),
]
DEFAULT_INDEX = Path("rag-index")
NAMES_HELP = say(
    "색인된 문서: 아이디, 경로, 파일 이름, 제목, 폴더, 경로 무늬",
    "documents of the index: id, path, file name, title, folder, path pattern",
)


def family() -> typer.Typer:
    """What the commands of one file are registered with; `rag.cli.main` puts the families together."""
    return typer.Typer(rich_markup_mode="rich")
