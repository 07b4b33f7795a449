"""What every command of `rag` shares: the wording for the terminal's language, options, output."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from indexes.errors import DocumentNotFound
from indexes.types import Filter, StoredDocument, names_document, nfc
from ingest.parse import Ocr
from rag.config import DEFAULT_FILE, Config, load_config
from rag.display.language import language
from rag.errors import NotIngested
from rag.passwords import read_passwords
from rag.pipeline import Pipeline

DONE, NOTHING, USAGE, PARTLY, STOPPED = 0, 1, 2, 3, 130


LANGUAGE = language()


def say(korean: str, english: str) -> str:
    """The wording for this terminal's language."""
    return korean if LANGUAGE == "ko" else english


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=say(
        "한국어 PDF 문서에 질문하고, 문장마다 문서·쪽·원문이 붙은 답을 받습니다.\n\n"
        '처음이라면:  [bold]rag ingest 문서폴더[/bold]  다음에  [bold]rag ask "연차는 며칠인가요?"[/bold]\n\n'
        "모델이나 GPU가 없어도 됩니다(내장 프로필: 문서의 문장을 그대로 뽑아 답합니다). "
        "GPU 서버가 있으면 [bold]rag init --profile gpu[/bold] 로 설정하세요. "
        "안 되는 것이 있으면 [bold]rag doctor[/bold] 가 이유와 해결책을 알려 줍니다.",
        "Ask questions over Korean PDFs; every sentence of the answer cites document, page and words.\n\n"
        'To begin:  [bold]rag ingest FOLDER[/bold]  and then  [bold]rag ask "연차는 며칠인가요?"[/bold]\n\n'
        "No model and no GPU needed (the embedded profile answers with sentences of the documents). "
        "With a GPU server: [bold]rag init --profile gpu[/bold]. "
        "If something does not work, [bold]rag doctor[/bold] says why and what to do.",
    ),
)

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
# Of an argument that `choose` reads.
NAMES_HELP = say(
    "색인된 문서: 아이디, 경로, 파일 이름, 제목, 폴더, 경로 무늬",
    "documents of the index: id, path, file name, title, folder, path pattern",
)


def exit_code(wanted: int, failed: int) -> int:
    """Of a job of so many parts."""
    return DONE if not failed else PARTLY if failed < wanted else NOTHING


def open_pipeline(index: Path, config: Path | None, overrides: Sequence[str]) -> Pipeline:
    return Pipeline.open(index, read_config(config, overrides))


def read_config(config: Path | None, overrides: Sequence[str]) -> Config:
    if config is None and Path(DEFAULT_FILE).is_file():
        config = Path(DEFAULT_FILE)
    return load_config(config, overrides)


def given_passwords(typed: Sequence[str], file: Path | None) -> list[str | tuple[str, str]]:
    return [*(read_passwords(file) if file else ()), *typed]


def allowed_by(groups: Sequence[str], documents: Sequence[str]) -> Filter:
    return Filter(tuple(groups) or None, tuple(documents) or None)


def choose(pipeline: Pipeline, names: Sequence[str], allowed: Filter) -> list[StoredDocument]:
    """The documents that `names` mean, each once; without names all that may be seen.

    Raises:
        DocumentNotFound: a name means none.
        NotIngested: a name means none, but there is such a file or folder.
    """
    visible = pipeline.documents(allowed)
    found: dict[str, StoredDocument] = {} if names else {document.id: document for document in visible}
    for name in names:
        meant = [document for document in visible if means(name, document)]
        if not meant and Path(name).exists():
            raise NotIngested(path=name, index=pipeline.index)
        if not meant:
            raise DocumentNotFound(name=name)
        found |= {document.id: document for document in meant}
    return list(found.values())


def means(name: str, document: StoredDocument) -> bool:
    """Whether `name` is the document's id, path, file name, title, a folder it is in, or a pattern."""
    place = Path(nfc(str(Path(name).absolute())))
    return (
        names_document(name, document)
        or nfc(name) == nfc(document.title)
        or any(place == path or place in path.parents for path in map(Path, map(nfc, document.paths)))
    )


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def out() -> Console:
    return Console(markup=False, emoji=False, highlight=False)


def err() -> Console:
    return Console(stderr=True, markup=False, emoji=False, highlight=False)
