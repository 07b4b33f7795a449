"""Options for reading files in worker processes, and questions that tests ask of the processes and results."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ingest.errors import UnreadableFile
from ingest.parse import IngestConfig, ParseOptions
from tests.support.files.pdfs import make_pdf

# A tokenizer that makes each character one token, in the format of the tokenizers library.
CHARACTERS = (
    '{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":'
    '{"type":"Split","pattern":{"Regex":"[\\\\s\\\\S]"},"behavior":"Isolated","invert":false},'
    '"post_processor":null,"decoder":null,"model":{"type":"WordLevel","vocab":{"[UNK]":0},"unk_token":"[UNK]"}}'
)


def options(**limits) -> ParseOptions:
    """Options with one token per character, bigrams instead of Kiwi, and two processes if `limits` do not say."""
    return ParseOptions(CHARACTERS, analyser="bigram", limits=IngestConfig(**{"workers": 2} | limits))


def write(folder: Path, name: str, *lines: str) -> str:
    path = folder / name
    own = f"{Path(name).stem.encode('ascii', 'ignore').decode()}번 글에만 있는 말이다."
    path.write_bytes(make_pdf([lines or ["제1조(목적) 이 규정은 목적을 정한다.", own]]))
    return str(path)


def write_big(folder: Path, name: str, pages: int) -> str:
    path = folder / name
    line = "위원회는 관계 기관의 추천을 받아 위원을 위촉하고 그 결과를 공개하여야 한다"
    path.write_bytes(make_pdf([[f"{page} {row} {line}" for row in range(40)] for page in range(pages)]))
    return str(path)


def children_of(pid: int) -> list[int]:
    """The ids of the running processes that the process `pid` started."""
    return [child for child, fields in stats() if int(fields[1]) == pid]


def stats() -> Iterator[tuple[int, list[str]]]:
    """The id of each process and what proc(5) says of it: state, parent, group and so on."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended in the meantime
            yield int(stat.parent.name), stat.read_text(encoding="utf-8").rpartition(")")[2].split()


def codes(results) -> list[str]:
    """For each result the code of why the file was not read; "read" if it was."""
    return [result.code if isinstance(result, UnreadableFile) else "read" for result in results]
