"""The program itself → its references in `docs`: the command line, the configuration, the Python names.

The command line's help is worded when its modules are loaded, so a process makes the references of one language.
"""

import ast
import inspect
import json
import pkgutil
import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from eval.documents.languages import spoken
from eval.documents.pages import LANGUAGES, ROOT
from rag.language import say_in

MADE = {
    "en": "<!-- Made by `make docs`; changes here are lost. -->",
    "ko": "<!-- `make docs` 가 만듭니다. 여기서 고친 것은 사라집니다. -->",
}
WIDEST = 100
# What the public names give, and users hold in their hands without importing it.
GIVEN = ("rag.comparing.compare:ComparisonCell",)
SHARED = ("--index", "--config", "--set", "--json", "--debug")


def made_references() -> dict[Path, str]:
    """The text of every generated page of `docs`, in both languages.

    Raises:
        RuntimeError: a page could not be made; the error output says why.
    """
    made: dict[Path, str] = {}
    for language in LANGUAGES:
        for name, text in json.loads(spoken("eval.documents.references", language)).items():
            made[ROOT / "docs" / language / name] = text
    return made


# the command line


def command_line(language: str) -> str:
    """Every command with its arguments, options, defaults and help."""
    import typer

    from rag.cli.main import app

    commands = {
        name: command
        for name, command in sorted(typer.main.get_command(app).commands.items())
        if not command.hidden
    }
    shared = {
        parameter.opts[0]: parameter for parameter in commands["ingest"].params if parameter.opts[0] in SHARED
    }
    parts = [
        say_in(language, "# 명령줄 참고서", "# The command line, command by command"),
        MADE[language],
        say_in(
            language,
            "명령마다 `--help` 가 같은 내용을 보여 줍니다. 종료 코드와 JSON처럼 모든 명령에 공통인 약속은 [문서 첫 쪽](README.md)에 있습니다.",
            "`--help` on each command says the same. Exit codes, JSON and what else all commands share stand on the"
            " [first page](README.md).",
        ),
        say_in(language, "## 공통 옵션", "## Options that commands share"),
        table(shared.values(), language),
    ]
    for name, command in commands.items():
        own = [parameter for parameter in command.params if not is_shared(parameter, shared)]
        used = [f"`{parameter.opts[0]}`" for parameter in command.params if is_shared(parameter, shared)]
        parts += [
            f"## rag {name}",
            paragraphs(command.help or ""),
            table(own, language) if own else "",
            say_in(language, "공통: ", "Shared: ") + " ".join(used),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def is_shared(parameter: Any, shared: Mapping[str, Any]) -> bool:
    """Whether it is the option of that name that most commands have, with the same help."""
    same = shared.get(parameter.opts[0])
    return same is not None and same.help == parameter.help


def paragraphs(text: str) -> str:
    """Help without the terminal's markup."""
    plain = text.replace("[bold]", "`").replace("[/bold]", "`")
    return "\n\n".join(" ".join(part.split()) for part in plain.split("\n\n"))


def table(parameters: Iterable[Any], language: str) -> str:
    """Arguments and options, a row each."""
    head = say_in(language, "| 인자, 옵션 | 기본값 | 뜻 |", "| argument, option | default | meaning |")
    rows = [
        f"| {written(parameter)} | {default(parameter)} | {cell(paragraphs(parameter.help or ''))} |"
        for parameter in parameters
    ]
    return "\n".join([head, "|---|---|---|", *rows])


def written(parameter: Any) -> str:
    """How an argument or option is typed: `--group TEXT`."""
    if parameter.param_type_name == "argument":
        return f"`{cell(parameter.metavar or parameter.name.upper())}`"
    typed = "" if parameter.is_flag else parameter.metavar or value_of(parameter.type_descriptor.annotation)
    return f"`{cell(f'{parameter.opts[0]} {typed}'.strip())}`"


def value_of(annotation: Any) -> str:
    """What an option takes, as typer's help says it: `TEXT`, `INTEGER`, `off|auto`."""
    if get_origin(annotation) is list:
        return value_of(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    return {str: "TEXT", int: "INTEGER", float: "FLOAT", Path: "PATH"}[annotation]


def default(parameter: Any) -> str:
    value = parameter.default
    return "" if value in (None, "", False, [], ()) or parameter.required else f"`{value}`"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# the configuration


def configuration(language: str) -> str:
    """Every section and key with type, default and meaning."""
    from rag.config import TEMPLATES, Config

    meant = meanings(TEMPLATES["embedded"])
    parts = [
        say_in(language, "# 설정 참고서", "# The configuration, key by key"),
        MADE[language],
        say_in(
            language,
            "`rag init` 이 모든 항목과 뜻을 적은 `rag.toml` 을 만듭니다. 모든 명령은 지금 폴더의 `rag.toml`(또는 `--config FILE`)을 읽고,"
            " `--set SECTION.KEY=VALUE` 로 한 번만 하나를 바꿀 수 있습니다. 적지 않은 항목은 기본값이고, 모르는 항목은 이름을"
            " 들어 거절합니다. 프로필 `gpu` 와 `gpu-72b` 가 바꾸는 것은 맨 아래에 있습니다.",
            "`rag init` writes a `rag.toml` with every key and its meaning. Every command reads the `rag.toml` of the"
            " current folder (or `--config FILE`), and `--set SECTION.KEY=VALUE` changes one key for one command. A key"
            " that is not there has its default; an unknown one is refused by name. What the profiles `gpu` and"
            " `gpu-72b` change stands at the end.",
        ),
    ]
    head = say_in(language, "| 항목 | 형 | 기본값 | 뜻 |", "| key | type | default | meaning |")
    for section in fields(Config):
        values = getattr(Config(), section.name)
        rows = [
            f"| `{section.name}.{key.name}` | {cell(kind(key.type))} | `{toml(getattr(values, key.name))}` |"
            f" {cell(meant[section.name, key.name][language == 'en'])} |"
            for key in fields(values)
        ]
        parts += [f"## {section.name}", "\n".join([head, "|---|---|---|---|", *rows])]
    parts += [say_in(language, "## 프로필", "## Profiles"), profiles(language)]
    return "\n\n".join(parts) + "\n"


def meanings(template: str) -> dict[tuple[str, str], tuple[str, str]]:
    """What the remark behind each key of a template says, in Korean and in English.

    Raises:
        ValueError: a key has no remark in both languages.
    """
    found: dict[tuple[str, str], tuple[str, str]] = {}
    section = ""
    for line in template.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif " = " in line and not line.startswith("#"):
            key, remark = line.partition(" = ")[0], line.partition("  # ")[2].strip()
            korean, slash, english = remark.partition(" / ")
            if not (slash and korean.strip() and english.strip()):
                raise ValueError(f"rag.toml: {section}.{key} has no remark «Korean / English»: {remark!r}")
            found[section, key] = (korean.strip(), english.strip())
    return found


def kind(declared: Any) -> str:
    """`auto | off` for what is chosen from, else the name of the type."""
    if get_origin(declared) is Literal:
        return " | ".join(f"`{value}`" for value in get_args(declared))
    if parts := get_args(declared):
        return " | ".join(map(kind, parts))
    return getattr(declared, "__name__", str(declared))


def toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def profiles(language: str) -> str:
    """The keys in which the profiles of `rag init` differ from the embedded one."""
    from rag.config import TEMPLATES

    read = {name: flat(tomllib.loads(text)) for name, text in TEMPLATES.items()}
    base = read.pop("embedded")
    keys = [key for key in base if any(other[key] != base[key] for other in read.values())]
    rows = [
        f"| `{key}` | " + " | ".join(f"`{toml(values[key])}`" for values in (base, *read.values())) + " |"
        for key in keys
    ]
    head = f"| {say_in(language, '항목', 'key')} | embedded | " + " | ".join(read) + " |"
    return "\n".join([head, "|---" * (len(read) + 2) + "|", *rows])


def flat(data: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {f"{section}.{key}": value for section, values in data.items() for key, value in values.items()}


# the Python names


def python_names(language: str) -> str:
    """The public names of `rag`: signatures as they are written, and docstrings."""
    import rag

    parts = [
        say_in(language, "# Python 참고서", "# The Python names, one by one"),
        MADE[language],
        say_in(
            language,
            "`from rag import …` 로 쓰는 이름 모두와, 그 이름들이 주는 것입니다. 설명은 코드에 적힌 그대로 영어입니다."
            " 쓰는 법은 [Python에서](python.md)에 있습니다.",
            "All that `from rag import …` offers, and what those names give. How to use them stands in"
            " [From Python](python.md).",
        ),
    ]
    public = {name: getattr(rag, name) for name in rag.__all__}
    given = {place.partition(":")[2]: pkgutil.resolve_name(place) for place in GIVEN}
    for name, value in sorted((given | public).items(), key=lambda pair: pair[0].lower()):
        if inspect.isclass(value) or inspect.isfunction(value):
            parts += described(name, value)
    return "\n\n".join(parts) + "\n"


def described(name: str, value: Any) -> list[str]:
    """Heading, signature, docstring and, of a class, its public methods."""
    source = textwrap.dedent(inspect.getsource(value))
    node = ast.parse(source).body[0]
    if isinstance(node, ast.FunctionDef):
        return [f"## {name}", block(signature(node)), documentation(node)]
    parts = [f"## {name}", block(class_head(node, source)), documentation(node)]
    for method in node.body:
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and shown(method):
            parts += [f"### {name}.{method.name}", block(signature(method)), documentation(method)]
    return [part for part in parts if part]


def shown(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return not method.name.startswith("_") and ast.get_docstring(method) is not None


def class_head(node: ast.ClassDef, source: str) -> str:
    """The class with its fields, as they are written."""
    bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
    lines = [f"class {node.name}{bases}:"]
    written_lines = source.splitlines()
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and not ast.unparse(statement.target).startswith("_"):
            lines += written_lines[statement.lineno - 1 : statement.end_lineno]
    return "\n".join(lines) if len(lines) > 1 else f"class {node.name}{bases}: ..."


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """`def name(…) -> …`, one parameter a line where it is long."""
    known = ("property", "classmethod", "staticmethod")
    marks = [f"@{ast.unparse(mark)}\n" for mark in node.decorator_list if ast.unparse(mark) in known]
    start = "".join(marks) + ("async def " if isinstance(node, ast.AsyncFunctionDef) else "def ") + node.name
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    inner = list(each_parameter(node.args))
    line = f"{start}({', '.join(inner)}){result}"
    if len(line) <= WIDEST:
        return line
    return f"{start}(\n" + "".join(f"    {parameter},\n" for parameter in inner) + f"){result}"


def each_parameter(arguments: ast.arguments) -> Iterator[str]:
    """The parameters, each as it is written, without `self` and `cls`."""
    plain = [*arguments.posonlyargs, *arguments.args]
    gap = len(plain) - len(arguments.defaults)
    for place, argument in enumerate(plain):
        if not (place == 0 and argument.arg in ("self", "cls")):
            yield parameter(argument, arguments.defaults[place - gap] if place >= gap else None)
    if arguments.vararg:
        yield f"*{parameter(arguments.vararg, None)}"
    elif arguments.kwonlyargs:
        yield "*"
    for argument, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield parameter(argument, value)
    if arguments.kwarg:
        yield f"**{parameter(arguments.kwarg, None)}"


def parameter(argument: ast.arg, value: ast.expr | None) -> str:
    typed = f"{argument.arg}: {ast.unparse(argument.annotation)}" if argument.annotation else argument.arg
    if value is None:
        return typed
    return f"{typed}{' = ' if argument.annotation else '='}{ast.unparse(value)}"


def documentation(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The docstring; its sections (Args, Raises) as lists."""
    lines: list[str] = []
    in_section = False
    for line in (ast.get_docstring(node) or "").splitlines():
        if line in ("Args:", "Returns:", "Raises:", "Yields:"):
            in_section = True
            lines.append(f"*{line.rstrip(':')}*\n")
        elif in_section and line.startswith("        "):
            lines[-1] += f" {line.strip()}"
        elif in_section and line.startswith("    "):
            lines.append(f"- {line.strip()}")
        else:
            in_section = in_section and not line
            lines.append(line)
    return "\n".join(lines)


def block(text: str) -> str:
    return f"```python no-run\n{text}\n```"


PAGES = {
    "reference-cli.md": command_line,
    "reference-config.md": configuration,
    "reference-python.md": python_names,
}


if __name__ == "__main__":
    from rag.language import language

    print(json.dumps({name: make(language()) for name, make in PAGES.items()}))
