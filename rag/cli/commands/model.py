"""`rag serve-model`: the model server that the configuration counts on, shown, started or checked."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ingest.errors import Notice
from rag.cli.terminal.console import DONE, NOTHING, err, one_line, out, print_json
from rag.cli.terminal.opening import read_config
from rag.cli.terminal.options import (
    COMMON,
    DEFAULT_INDEX,
    Common,
    IndexOption,
    family,
    grouped,
)
from rag.cli.terminal.views import check_line
from rag.config import Config
from rag.errors import TokenizerUnavailable
from rag.language import language, say
from rag.prompting.tokens import ModelTokenizer
from rag.serving.plan import (
    GB,
    ServePlan,
    find_launcher,
    full_windows,
    plan_serving,
    write_tokenizer_folder,
)
from rag.serving.run import Check, check_server, ended, running_server, wait_until_ready
from rag.wire import shapes
from rag.wire.bodies import probes_json, serve_plan_json, started_json

commands = family()

# In GB, as makers count them: L4, L40S, A100 and H100, H200.
GPU_SIZES = (24.0, 48.0, 80.0, 141.0)


@commands.command(
    name="serve-model",
    help=say(
        "설정에 맞는 vLLM 명령을 이유와 함께 보여 줍니다. --start 는 켜고 확인한 뒤 Ctrl-C 까지 돌립니다."
        " --check 는 이미 켜져 있는 서버를 확인합니다. -- 뒤에 vLLM 옵션을 더 적을 수 있습니다.",
        "Show the vLLM command that the configuration needs, with reasons. --start starts it, checks it and runs"
        " it until Ctrl-C. --check looks at one that runs. Further options of vLLM may follow after --.",
    ),
)
@grouped
def serve_model(
    extra: Annotated[
        list[str], typer.Argument(metavar="[-- OPTIONS]", help=say("vLLM 옵션", "options of vLLM"))
    ] = [],
    start: Annotated[
        bool, typer.Option("--start", help=say("켜고, 확인하고, Ctrl-C 까지 돌림", "start, check and run it"))
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help=say("켜져 있는 서버를 확인", "check the one that runs"))
    ] = False,
    gpus: Annotated[
        int | None, typer.Option(help=say("모델을 나누어 올릴 GPU 수", "GPUs to share the model out over"))
    ] = None,
    precision: Annotated[str | None, typer.Option(metavar="bf16|fp8", help=say("가중치", "weights"))] = None,
    kv_cache: Annotated[str | None, typer.Option(metavar="bf16|fp8", help=say("KV 캐시", "KV cache"))] = None,
    gpu_memory: Annotated[
        float | None,
        typer.Option(metavar="GB", help=say("GPU 하나의 메모리, 예: 80", "memory of each GPU, e.g. 80")),
    ] = None,
    tokenizer_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help=say(
                "서버가 쓸 토크나이저 폴더(기본: 색인 옆의 tokenizer)",
                "folder for the server's tokenizer (default: tokenizer, beside the index)",
            ),
        ),
    ] = None,
    python: Annotated[
        str,
        typer.Option(
            metavar="FILE", help=say("vLLM이 있는 환경의 파이썬", "Python of the environment with vLLM")
        ),
    ] = "",
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=say(
                "서버의 로그(기본: 색인 옆의 model-server.log)",
                "the server's log (default: model-server.log, beside the index)",
            ),
        ),
    ] = None,
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    settings = read_config(
        common.setting(serving__gpus=gpus, serving__precision=precision, serving__kv_cache=kv_cache)
    )
    if check:
        checks = _looked_at(settings, common.as_json)
        if common.as_json:
            print_json(probes_json(checks))
        raise typer.Exit(DONE if all(check.ok for check in checks) else NOTHING)
    folder = (tokenizer_dir or index.absolute().parent / "tokenizer").absolute()
    launcher = find_launcher(python) if python or start else ("vllm", "serve")
    plan = plan_serving(settings.generator, settings.serving, folder, launcher, extra)
    memory = _memory(plan, settings, (gpu_memory,) if gpu_memory else GPU_SIZES)
    if start:
        _start(plan, settings, log or index.absolute().parent / "model-server.log", common.as_json, memory)
        return
    warnings = _prepare(plan, settings)
    if common.as_json:
        print_json(serve_plan_json(plan, memory, warnings))
        return
    _print_plan(plan, memory)
    for warning in warnings:
        err().print(Text(one_line(f"! {warning.say(language())}"), style="yellow"), soft_wrap=True)


def _tokenizer(settings: Config) -> ModelTokenizer:
    """The model's: the one that the configuration names, else the one beside the weights."""
    loaded = ModelTokenizer(settings.models.tokenizer)
    return (
        loaded
        if not loaded.is_embedded
        else ModelTokenizer(settings.serving.weights or settings.generator.model)
    )


def _prepare(plan: ServePlan, settings: Config) -> list[Notice]:
    """Make the tokenizer folder; a notice where the model's files are not on this machine."""
    try:
        write_tokenizer_folder(_tokenizer(settings), plan.tokenizer)
    except TokenizerUnavailable as exc:
        korean = f"{plan.tokenizer} 을(를) 만들지 못했습니다. 모델이 있는 컴퓨터에서 다시 실행하세요"
        english = f"{plan.tokenizer} was not made; run this where the model is"
        return [Notice(exc.code, f"{korean}: {exc.say('ko')}", f"{english}: {exc.say('en')}")]
    return []


def _start(plan: ServePlan, settings: Config, log: Path, as_json: bool, memory: shapes.Memory | None) -> None:
    write_tokenizer_folder(_tokenizer(settings), plan.tokenizer)
    err().print(
        say(f"모델 서버를 켭니다. 로그: {log}", f"starting the model server; its log: {log}"), soft_wrap=True
    )
    with running_server(plan, settings.generator, log) as process:
        with err().status("") as progress:
            seconds = wait_until_ready(
                process,
                settings.generator,
                log,
                lambda line: progress.update(Text(line, overflow="ellipsis")),
            )
        err().print(say(f"{seconds:.0f}초 만에 켜졌습니다.", f"ready after {seconds:.0f} s"))
        checks = _looked_at(settings, as_json)
        if as_json:
            print_json(started_json(serve_plan_json(plan, memory), checks))
        if not all(check.ok for check in checks):
            raise typer.Exit(NOTHING)
        err().print(say("Ctrl-C 로 끕니다.", "Ctrl-C ends it"))
        process.wait()
        raise ended(process, log)


def _looked_at(settings: Config, as_json: bool) -> list[Check]:
    """Check the server; people see each check as it is done."""
    checks = []
    for check in check_server(settings.generator, _tokenizer(settings), language()):
        checks.append(check)
        if not as_json:
            _print_check(check)
    return checks


def _print_check(check: Check) -> None:
    line = check_line(check)
    if check.remedy:
        line.append(one_line(f" — {check.remedy}"), style="default")
    out().print(line, soft_wrap=True)


def _memory(plan: ServePlan, settings: Config, sizes: Sequence[float]) -> shapes.Memory | None:
    """Bytes of weights and cache, and how many users fit on GPUs of each size; None for unknown models."""
    if plan.shape is None:
        return None
    serving, window = settings.serving, settings.generator.window
    per_token = plan.shape.kv_bytes(serving.kv_cache)
    return {
        "parameters": plan.shape.parameters,
        "weights_bytes": plan.shape.weight_bytes(serving.precision),
        "kv_bytes_per_token": per_token,
        "window_bytes": per_token * window,
        "gpus": serving.gpus,
        "full_windows": {f"{gb:g}": full_windows(plan.shape, serving, window, gb) for gb in sizes},
    }


def _print_plan(plan: ServePlan, memory: shapes.Memory | None) -> None:
    """The command with its reasons as remarks, so that it can be pasted, or piped to a shell."""
    for flag in plan.flags:
        out().print(f"# {' '.join(flag.words)}: {say(flag.korean, flag.english)}", soft_wrap=True)
    if memory:
        for line in _memory_lines(memory):
            out().print(f"# {line}", soft_wrap=True)
    settings = [f'{name}="{value}"' for name, value in plan.environment.items()]
    lines = [" ".join(settings), shlex.join(plan.launcher), *(shlex.join(flag.words) for flag in plan.flags)]
    out().print(" \\\n  ".join(lines), soft_wrap=True)


def _memory_lines(memory: shapes.Memory) -> list[str]:
    weights, window = memory["weights_bytes"] / GB, memory["window_bytes"] / GB
    fits = ", ".join(f"{gb} GB: {count}" for gb, count in memory["full_windows"].items())
    gpus = memory["gpus"]
    return [
        say(
            f"메모리: 가중치 {weights:,.1f} GB, 가득 찬 창 하나 {window:,.2f} GB"
            f"(토큰마다 {memory['kv_bytes_per_token']:,}바이트)",
            f"memory: weights {weights:,.1f} GB, one full window {window:,.2f} GB"
            f" ({memory['kv_bytes_per_token']:,} bytes a token)",
        ),
        say(
            f"창이 가득 찬 사용자 수(어림), GPU {gpus}개의 크기별 — {fits}",
            f"users with a full window at a time (an estimate), by the size of each of {gpus} GPU(s) — {fits}",
        ),
    ]
