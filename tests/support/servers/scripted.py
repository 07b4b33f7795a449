"""An OpenAI-compatible server that follows a script and does what real servers do when they are in trouble."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any

from rag.prompting.tokens import Message, ModelTokenizer

MODEL = "test/model"
# Answers one request, through its handler.
Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One connection. The script answers requests for completions; others are answered as vLLM would."""

    protocol_version = "HTTP/1.1"
    script: "Script"
    connections: list[socket.socket]
    body: dict[str, Any]

    def setup(self) -> None:
        super().setup()
        self.connections.append(self.connection)

    def do_GET(self) -> None:
        self.send({"object": "list", "data": [{"id": self.script.model, "object": "model"}]})

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize":
            messages = [Message(m["role"], (("text", m["content"]),)) for m in self.body["messages"]]
            self.send({"tokens": self.script.tokenizer.render(messages).token_ids})
            return
        self.script.answer(self)

    def send(self, body: dict[str, Any], status: int = 200, missing: int = 0, **headers: str) -> None:
        """Send a JSON answer; without its last `missing` bytes, after which the connection ends."""
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) - missing])
        self.close_connection = bool(missing)

    def is_left(self) -> bool:
        """Wait until the client closes the connection; False if it does not within a minute."""
        self.connection.settimeout(60)
        try:
            return self.connection.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Script:
    """What the server does (`replies` one by one, then what `choose` says), and what it was asked.

    `most`: the greatest number of requests for completions that it had at one time.
    """

    tokenizer: ModelTokenizer
    replies: list[Reply] = field(default_factory=list)
    model: str = MODEL
    choose: Callable[[dict[str, Any]], Reply] = lambda body: whole()
    asked: list[dict[str, Any]] = field(default_factory=list)
    most: int = 0
    _running: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def until_asked(self, count: int) -> None:
        """Wait until there have been `count` requests for completions."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= count, 60), f"{len(self.asked)} requests"

    def answer(self, handler: Handler) -> None:
        with self._changed:
            self.asked.append(handler.body)
            self._changed.notify_all()
            self._running += 1
            self.most = max(self.most, self._running)
            reply = self.replies.pop(0) if self.replies else self.choose(handler.body)
        try:
            reply(handler)
        finally:
            with self._changed:
                self._running -= 1


@contextmanager
def scripted_server(script: Script, port: int = 0) -> Iterator[str]:
    """The base URL of a server that follows `script`."""
    handler = type("ScriptedHandler", (Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    handler.connections = connections = []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for connection in connections:  # as when the process ends
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


# replies


def completion(text: str, body: dict[str, Any], reason: str | None = "stop") -> dict[str, Any]:
    """The JSON of a completion; each text names the prompt's length and its choice, so no two are the same."""
    length, choices = len(body["prompt"]), range(body.get("n") or 1)
    return {
        "id": "1",
        "object": "text_completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {"index": index, "text": f"{text} {length} {index}", "finish_reason": reason, "logprobs": None}
            for index in reversed(choices)  # clients must not rely on their order
        ],
        "usage": {"prompt_tokens": length, "completion_tokens": 7, "total_tokens": length + 7},
    }


def whole(text: str = "답", reason: str | None = "stop") -> Reply:
    return lambda handler: handler.send(completion(text, handler.body, reason))


def failing(status: int, **headers: str) -> Reply:
    return lambda handler: handler.send({"error": {"message": "not now"}}, status, **headers)


def hanging(left: SimpleQueue[bool]) -> Reply:
    """No reply; `left` is told whether the client gave up waiting for one."""
    return lambda handler: left.put(handler.is_left())


def truncated(handler: Handler) -> None:
    """Reply with a body that ends before its length."""
    handler.send(completion("반쪽", handler.body), missing=40)


def garbled(handler: Handler) -> None:
    """Reply with a body of the right length that is not JSON."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "9")
    handler.end_headers()
    handler.wfile.write(b'{"choices')


def streamed(pieces: Sequence[str], reason: str | None, *, done: bool = True, cut: bool = False) -> Reply:
    """A reply that streams `pieces`, the last with `reason`.

    Without `done` it lacks «[DONE]»; with `cut` the connection ends in the middle of the HTTP body.
    """

    def reply(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for place, piece in enumerate(pieces):
            why = reason if place == len(pieces) - 1 else None
            choice = {"index": 0, "text": piece, "finish_reason": why, "logprobs": None}
            event = {
                "id": "1",
                "object": "text_completion",
                "created": 1,
                "model": MODEL,
                "choices": [choice],
            }
            _chunk(handler, f"data: {json.dumps(event)}\n\n")
        if done:
            _chunk(handler, "data: [DONE]\n\n")
        if not cut:
            _chunk(handler, "")
        handler.close_connection = True

    return reply


def _chunk(handler: Handler, text: str) -> None:
    data = text.encode()
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    handler.wfile.flush()
