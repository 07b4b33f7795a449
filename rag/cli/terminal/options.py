"""Options that several commands share."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

import typer

from indexes.types import Filter
from ingest.parse import Ocr
from rag.cli.terminal.passwords import read_passwords
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


class Common(NamedTuple):
    """What nearly every command takes: the settings, and how it answers."""

    config: ConfigOption = None
    overrides: SetOption = ()
    as_json: JsonOption = False
    debug: DebugOption = False  # read by `rag.cli.main`, which is told of errors

    def setting(self, **values: object) -> "Common":
        """These options with more settings, `section__key=value`; None leaves one as it is."""
        more = [f"{name.replace('__', '.')}={value}" for name, value in values.items() if value is not None]
        return self._replace(overrides=[*self.overrides, *more])


class Seen(NamedTuple):
    """Who asks, and about which documents."""

    groups: AsOption = ()
    documents: DocumentOption = ()

    @property
    def allowed(self) -> Filter:
        return Filter(tuple(self.groups) or None, tuple(self.documents) or None)


class Keys(NamedTuple):
    """The passwords of locked files."""

    password: PasswordOption = ()
    passwords: PasswordsOption = None

    @property
    def given(self) -> list[str | tuple[str, str]]:
        """Those of the file, then those that were typed.

        Raises:
            InputUnreadable: the file.
        """
        return [*(read_passwords(self.passwords) if self.passwords else ()), *self.password]


# What a command is called with where nothing is given.
COMMON, SEEN, KEYS = Common(), Seen(), Keys()


def grouped(function: Callable[..., None]) -> Callable[..., None]:
    """`function` as a command: a parameter whose type is a named tuple is given as an option for each field."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type] = {}
    hints = get_type_hints(function, include_extras=True)
    for parameter in inspect.signature(function).parameters.values():
        kind = hints[parameter.name]
        if not hasattr(kind, "_fields"):
            parameters.append(parameter.replace(annotation=kind))
            continue
        groups[parameter.name] = kind
        parameters += [
            parameter.replace(name=name, annotation=hint, default=kind._field_defaults[name])
            for name, hint in get_type_hints(kind, include_extras=True).items()
        ]

    @wraps(function)
    def command(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{field: given.pop(field) for field in kind._fields})
        function(**given)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def family() -> typer.Typer:
    """What the commands of one file are registered with; `rag.cli.main` puts the families together."""
    return typer.Typer(rich_markup_mode="rich")
