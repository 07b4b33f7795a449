"""`rag init` and `rag doctor`: a configuration, and whether what it names works."""

from pathlib import Path
from typing import Annotated

import typer

from rag.cli.terminal.console import DONE, NOTHING, out, print_json
from rag.cli.terminal.opening import open_pipeline
from rag.cli.terminal.options import (
    COMMON,
    DEFAULT_INDEX,
    Common,
    DebugOption,
    IndexOption,
    JsonOption,
    family,
    grouped,
)
from rag.cli.terminal.views import check_line
from rag.config import DEFAULT_FILE, TEMPLATES
from rag.doctor import examine
from rag.errors import ConfigError, ConfigExists
from rag.language import language, say
from rag.wire.bodies import init_json, probes_json

commands = family()


@commands.command(
    help=say(
        "주석이 달린 설정 파일 rag.toml 을 만듭니다(있으면 덮어쓰지 않음).",
        "Write a commented rag.toml; an existing one is not overwritten.",
    )
)
def init(
    profile: Annotated[str, typer.Option(help="embedded | gpu | gpu-72b")] = "embedded",
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help=say("만들 파일", "the file to write"))
    ] = Path(DEFAULT_FILE),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    if profile not in TEMPLATES:
        raise typer.BadParameter(f"--profile: {' | '.join(TEMPLATES)}")
    try:
        with config.open("x", encoding="utf-8") as file:
            file.write(TEMPLATES[profile])
    except FileExistsError as exc:
        raise ConfigExists(path=config) from exc
    except OSError as exc:
        raise ConfigError(detail=f"{config}: {exc.strerror}") from exc
    if as_json:
        print_json(init_json(config, profile))
    else:
        out().print(
            say(f"{config} 을(를) 만들었습니다({profile} 프로필).", f"wrote {config} ({profile} profile)")
        )


@commands.command(
    help=say(
        "무엇이 설치되어 있고, 설정한 모델과 서버가 되는지, 안 되면 어떻게 할지 알려 줍니다.",
        "Say what is installed, whether the configured models and servers work, and what to do if not.",
    )
)
@grouped
def doctor(
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    checks = examine(open_pipeline(index, common), language())
    bad = [check for check in checks if not check.ok]
    if common.as_json:
        print_json(probes_json(checks))
    else:
        for check in checks:
            line = check_line(check)
            if check.remedy:
                line.append(f"\n    → {check.remedy}", style="yellow")
            out().print(line)
    raise typer.Exit(NOTHING if bad else DONE)
