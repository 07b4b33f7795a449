"""A real vLLM server on the processor: start it, watch it, and end it with all its processes."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.servers.tiny_model import WINDOW

PYTHON = Path(__file__).parents[3] / ".venv-vllm" / "bin" / "python"
MODEL = "skt/A.X-4.0-Light"
START_SECONDS = 300  # allowed; it takes 25 on two idle cores
STOP_SECONDS = 30
LOG_LINES = 60
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GB
}
# vLLM's processes wait for each other in a loop around sched_yield. On two cores under Linux 6.18 that kept
# all other processes waiting for up to 10 s, including the server's own front end. A sleep does not.
STARTUP = "import os, time\nos.sched_yield = lambda: time.sleep(0.00005)\n"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready. `base_url` ends in /v1; `group` is the id of its process group."""

    base_url: str
    log: Path
    group: int

    @property
    def root(self) -> str:
        return self.base_url.removesuffix("/v1")

    def post(self, path: str, body: dict[str, Any], key: str = "") -> dict[str, Any]:
        """The server's reply to `body`, for requests that none of our generators makes."""
        request = {"model": MODEL} | body
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        response = httpx.post(self.root + path, json=request, headers=headers, timeout=60, trust_env=False)
        return response.raise_for_status().json()

    def metric(self, name: str) -> float:
        """The value of vLLM's metric `name` now, e.g. "num_requests_running"."""
        lines = httpx.get(self.root + "/metrics", timeout=60, trust_env=False).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"vllm:{name}{{"))

    def log_tail(self) -> str:
        """The last lines of the server's log."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:])


@contextmanager
def running_server(arguments: tuple[str, ...], folder: Path, port: int | None = None) -> Iterator[Server]:
    """A server that is ready; afterwards it is ended with all processes that it started.

    Args:
        arguments: the options that name the model and the tokenizer.
        folder: for the log, and for files that the server would otherwise keep in the user's folders.
        port: that of an earlier server; None for a free one.
    """
    if not PYTHON.is_file():
        pytest.skip("no vLLM environment (make test-server creates it)")
    port = port or free_port()
    log_file = folder / "server.log"
    command = [
        *(str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", *arguments),
        *("--served-model-name", MODEL, "--host", "127.0.0.1", "--port", str(port)),
        # In float32 a prompt gives the same text alone, in a batch and from the prefix cache. In bfloat16 the
        # best two tokens are sometimes too close for that.
        *("--max-model-len", str(WINDOW), "--dtype", "float32", "--enforce-eager"),
        *("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--disable-uvicorn-access-log"),
    ]
    (folder / "sitecustomize.py").write_text(STARTUP, "utf-8")
    places = dict.fromkeys(("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "PYTHONPATH"), str(folder))
    # `make`, when it is stopped, sends SIGTERM, on which Python would exit without ending the server.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | ENVIRONMENT | places,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}/v1", log_file, process.pid)
    try:
        wait_until_ready(server, process)
        yield server
    finally:
        end_group(process)
        signal.signal(signal.SIGTERM, before)


def wait_until_ready(server: Server, process: subprocess.Popen) -> None:
    """Return when the server answers; fail with the end of its log if it does not in START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(server.root + "/health", timeout=5, trust_env=False).is_success:
                return
        time.sleep(0.5)
    why = "was not ready" if process.poll() is None else f"ended with {process.returncode}"
    pytest.fail(f"vLLM {why} within {START_SECONDS} s\n{server.log_tail()}", pytrace=False)


def end_group(process: subprocess.Popen) -> None:
    """End all processes of the group that `process` leads, because its engines would outlive it."""
    for stop in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP_SECONDS
        with suppress(ProcessLookupError):
            os.killpg(process.pid, stop)
        while alive(process) and time.monotonic() < deadline:
            time.sleep(0.1)
        if not alive(process):
            return
    raise RuntimeError(f"processes of the group {process.pid} are still running")


def alive(process: subprocess.Popen) -> bool:
    """Whether any process of the group that `process` leads is left."""
    process.poll()  # else the process itself, ended but not waited for, would count
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_idle(server: Server, seconds: float) -> float:
    """The seconds that passed until no request ran on the server; fails after `seconds`."""
    started = time.monotonic()
    while server.metric("num_requests_running") + server.metric("num_requests_waiting"):
        assert time.monotonic() - started < seconds, "the request is still running"
        time.sleep(0.05)
    return time.monotonic() - started
