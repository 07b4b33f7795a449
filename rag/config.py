"""The configuration: the defaults, over them rag.toml, over that --set. It is data only and builds nothing."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from indexes.models.embedder import EMBEDDED, EmbeddingConfig
from indexes.models.reranker import RerankConfig
from indexes.search.config import SearchConfig
from ingest.parse import IngestConfig
from ingest.structure.chunking import ChunkingConfig
from rag.conversing.followups import ChatConfig
from rag.errors import ConfigError, UnknownConfigKey
from rag.models.generator import GenerationConfig
from rag.prompting.calls import ToolsConfig
from rag.serving.plan import ServingConfig
from rag.summarising.kinds import SummaryConfig

Profile = Literal["embedded", "gpu", "gpu-72b"]
DEFAULT_FILE = "rag.toml"


@dataclass(frozen=True, slots=True)
class ModelsConfig:
    """Names of models: "embedded", a local folder, or a hub name. An empty `reranker` means none."""

    tokenizer: str = EMBEDDED
    embedder: str = EMBEDDED
    reranker: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, one section per stage."""

    models: ModelsConfig = field(default_factory=ModelsConfig)
    ingest: IngestConfig = field(default_factory=IngestConfig)
    chunking: ChunkingConfig = field(default_factory=ChunkingConfig)
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    rerank: RerankConfig = field(default_factory=RerankConfig)
    generator: GenerationConfig = field(default_factory=GenerationConfig)
    tools: ToolsConfig = field(default_factory=ToolsConfig)
    chat: ChatConfig = field(default_factory=ChatConfig)
    serving: ServingConfig = field(default_factory=ServingConfig)
    summary: SummaryConfig = field(default_factory=SummaryConfig)


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """The configuration in `path`, changed by `overrides` in their order.

    Args:
        path: a TOML file; None for the defaults.
        overrides: each `SECTION.KEY=VALUE`.

    Raises:
        ConfigError: the file cannot be read, or a value has the wrong type or is out of its range.
        UnknownConfigKey: a section or key that is unknown; the error names those that are known.
    """
    config = Config()
    if path is not None:
        try:
            data = tomllib.loads(Path(path).read_text("utf-8-sig"))
        except OSError as exc:
            raise ConfigError(detail=f"{path}: {exc.strerror}") from exc
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            raise ConfigError(detail=f"{path}: {exc}") from exc
        for section, values in data.items():
            config = _apply(config, section, values, str(path))
    for override in overrides:
        name, equals, value = override.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (equals and dot):
            raise ConfigError(detail=f"--set takes SECTION.KEY=VALUE, got {override!r}")
        config = _apply(config, section, {key: _parse(value.strip())}, "--set")
    return config


def read_dictionary(path: str) -> tuple[str, ...]:
    """The words of a user's dictionary, in order, each once; empty where `path` is "".

    The file has one word a line; the text after a `#` is a comment.

    Raises:
        ConfigError: the file cannot be read.
    """
    if not path:
        return ()
    try:
        lines = Path(path).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(detail=f"search.dictionary {path}: {exc}") from exc
    return tuple(dict.fromkeys(word for line in lines if (word := line.partition("#")[0].strip())))


def _apply(config: Config, section: str, values: Any, where: str) -> Config:
    names = [section_field.name for section_field in fields(config)]
    if section not in names:
        raise UnknownConfigKey(key=f"[{section}]", known=", ".join(names), where=where)
    if not isinstance(values, Mapping):
        raise ConfigError(detail=f"[{section}] must be a table of keys, got {values!r} in {where}")
    current = getattr(config, section)
    known = {key.name: key.type for key in fields(current)}
    for key, value in values.items():
        if key not in known:
            raise UnknownConfigKey(key=f"{section}.{key}", known=", ".join(known), where=where)
        values = {**values, key: _typed(f"{section}.{key}", value, getattr(current, key), known[key])}
    try:
        return replace(config, **{section: replace(current, **values)})
    except ValueError as exc:
        raise ConfigError(detail=f"{exc} ({where})") from exc


def _typed(name: str, value: Any, default: Any, declared: Any) -> Any:
    """`value` if it has the default's type or a declared one; a whole number becomes a float where that is wanted."""
    types = {type(default), *(kind for kind in get_args(declared) if isinstance(kind, type))}
    if float in types and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) not in types:
        wanted = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
        raise ConfigError(detail=f"{name} takes {wanted[type(default)]}, got {value!r}")
    return value


def _parse(text: str) -> Any:
    """A value from the command line: read as TOML if it is TOML, else text, so that quotes can be left out."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


COMMON = """
[ingest]
workers = 0                   # 0: 코어마다 하나 / 0: one per core
timeout_seconds = 300.0       # 파일 하나의 시간 한도 / time limit of one file
max_memory_mb = 2048          # 파일 하나의 메모리 한도 / memory limit of one file
max_pages = 20000             # 이보다 쪽이 많은 파일은 읽지 않음 / a file with more pages is refused
max_file_mb = 1024            # 이보다 큰 파일은 읽지 않음 / a larger file is refused
max_characters = 20000000     # 이보다 글자가 많은 파일은 읽지 않음 / a file with more characters is refused
ocr = "off"                   # off | auto: 글자가 없는 쪽을 Tesseract로 읽음 / auto: pages without text are read by Tesseract

[chunking]
max_tokens = 400              # 가장 긴 청크, models.tokenizer 의 토큰으로 / the longest chunk, in tokens of models.tokenizer

[embedding]
device = "auto"               # auto(GPU가 있으면 GPU) | cpu | cuda:0 … / auto (a GPU where there is one) | cpu | cuda:0 …
dtype = "auto"                # auto(GPU에서 fp16) | float32 … / auto (fp16 on a GPU) | float32 …
dim = 0                       # 쓸 앞 차원의 수(마트료시카 모델), 0: 전부 / dimensions kept, the first ones (Matryoshka models); 0: all
batch_tokens = 16384          # 한 번에 처리할 토큰; 메모리가 모자라면 반으로 / tokens at a time; halved where memory runs out

[search]
k = {k}                        # 찾을 발췌문 수 / passages to retrieve
mode = "hybrid"               # 낱말과 뜻으로(hybrid), 낱말로만, 뜻으로만 / by words and meaning (hybrid), by words, by meaning
dense_weight = "auto"         # 뜻(코사인)의 비중, 색인마다 재어 정함 / weight of the cosine beside BM25, measured per index
analyser = "kiwi"             # kiwi | bigram(Kiwi 없이, 조금 덜 정확) / kiwi | bigram (without Kiwi, a little less exact)
dictionary = ""               # 통째로 찾을 말(부서, 제품명)을 한 줄에 하나씩 적은 파일 / a file of names to find whole, one a line

[chat]
rewrite = "auto"              # 이어지는 질문을 완전한 질문으로: auto(모델이 있으면 모델) | rule | off / how follow-ups are made whole: by the model where there is one (auto) | rule | off

[rerank]
k = 50                        # 다시 줄 세울 발췌문 수 / passages to put in order again
timeout_seconds = 10.0        # 질문 하나의 시간 한도; 넘으면 나머지는 그대로 / limit for a question; the rest stay as they are
device = "auto"               # embedding.device 와 같음 / as embedding.device
dtype = "auto"                # embedding.dtype 과 같음 / as embedding.dtype
batch_tokens = 16384          # embedding.batch_tokens 와 같음 / as embedding.batch_tokens

[summary]
sentences = 10                # 길이를 따로 정하지 않을 때의 문장 수 / sentences where no length is given
figures = "report"            # 근거에 없는 수치가 든 문장: report(알림) | drop(뺌) / sentences with figures that no quote holds: report (named) | drop (left out)
"""
GENERATOR = """\
model = "{model}"   # 서버의 --served-model-name / the name the server serves it by
base_url = "http://127.0.0.1:8000/v1"   # 모델 서버의 주소 / the address of the model server
api_key_env = ""              # 키가 든 환경 변수의 이름 / name of the variable that holds the key
window = {window}                # 컨텍스트 창의 토큰; 프롬프트와 답변의 합 / tokens of the window: prompt and answer together
reserved_output = {reserved}        # 답변에 남겨 둘 토큰 / tokens kept for the answer
temperature = 0.0             # 0: 가장 그럴듯한 답 하나 / 0: the likeliest answer
samples = 1                   # 답 후보 수; 근거가 가장 좋은 것을 고름(temperature > 0) / answers to choose the best supported from
timeout_seconds = {timeout}       # 답 하나의 시간 한도 / time limit of one answer
connect_seconds = 5.0         # 서버 연결의 시간 한도 / time limit of reaching the server
retries = 8                   # 서버가 끊기거나 바쁠 때 다시 해 볼 횟수 / tries more where the server is gone or busy
retry_seconds = 120.0         # 그때 기다릴 시간의 한도 / and for how long
concurrency = {concurrency}              # 서버에 함께 보낼 질문 수 / questions sent at a time
grammar = "auto"              # auto(vllm: 보여 준 근거 번호만 쓸 수 있음) | off / auto (vllm: only markers of what was shown can be written) | off

[tools]
# rag ask --tools: 모델이 직접 찾아봄 / the model looks things up itself
rounds = 6                    # 도구를 쓸 수 있는 차례 / completions that may call tools
calls = 12                    # 질문 하나의 호출 수 / calls for a question
tokens = 131072               # 질문 하나에 쓸 토큰 / tokens spent on a question
must_search = false           # 되묻지 않고 먼저 찾게 함 / search first, without asking back

[serving]
# rag serve-model 이 모델 서버를 켜는 방법 / how rag serve-model starts the model server
weights = ""                  # 모델 폴더; 비우면 generator.model / folder of the model; "": generator.model
gpus = {gpus}                      # 모델을 나누어 올릴 GPU 수 / GPUs that the model is shared out over
precision = "{precision}"            # bf16 | fp8: 가중치 / weights
kv_cache = "bf16"             # bf16 | fp8: KV 캐시 / KV cache
gpu_memory_utilization = 0.9  # GPU 메모리 중 쓸 몫 / share of each GPU's memory
max_num_seqs = {seqs}            # 서버가 한 번에 처리할 질문 수 / questions that the server works at together
batched_tokens = 8192         # 한 걸음에 읽을 토큰 / tokens read in one step
"""
LIGHT = GENERATOR.format(
    model="skt/A.X-4.0-Light",
    window=16384,
    reserved=1024,
    timeout=300.0,
    concurrency=32,
    gpus=1,
    precision="bf16",
    seqs=128,
)
LARGE = GENERATOR.format(
    model="skt/A.X-4.0",
    window=131072,
    reserved=2048,
    timeout=1800.0,
    concurrency=8,
    gpus=4,
    precision="fp8",
    seqs=32,
)
GPU = """\
# GPU 프로필: vLLM 서버의 {name} 이(가) 답합니다. 이름은 모두 로컬 폴더로 바꿀 수 있습니다.
# GPU profile: {name} on a vLLM server answers. Every name may be a local folder instead.

[models]
tokenizer = "{model}"
embedder = "nlpai-lab/KURE-v1"
reranker = "dragonkue/bge-reranker-v2-m3-ko"   # "": 없음 / "": none
"""
VLLM = """
[generator]
backend = "vllm"              # 답을 쓰는 것 / what writes the answers: extractive | vllm | vllm-inprocess | openai | transformers
"""

TEMPLATES: dict[Profile, str] = {
    "embedded": """\
# 내장 프로필: GPU도, 내려받는 모델도, 네트워크도 필요 없습니다.
# Embedded profile: no GPU, no downloaded model, no network.

[models]
# 이름마다 "embedded"(함께 배포), 로컬 폴더, 허브 이름 / each name: "embedded" (it ships), a local folder, or a hub name
tokenizer = "embedded"        # 토큰을 세는 것; 모델이 답하면 그 모델의 것 / what counts tokens; where a model answers, its own
embedder = "embedded"         # 뜻으로 찾는 모델(sentence-transformers) / the model that finds by meaning (sentence-transformers)
reranker = ""                 # 찾은 것을 다시 줄 세우는 교차 인코더; "": 없음 / a cross-encoder that orders what was found; "": none
"""
    + COMMON.format(k=120)
    + """
[generator]
backend = "extractive"        # 답을 쓰는 것 / what writes the answers: extractive | vllm | vllm-inprocess | openai | transformers
"""
    + LIGHT,
    "gpu": GPU.format(name="A.X 4.0 Light", model="skt/A.X-4.0-Light") + COMMON.format(k=120) + VLLM + LIGHT,
    # A passage of a statute that answers a question has 160 tokens on average, so 131,072 tokens hold about 800.
    "gpu-72b": GPU.format(name="A.X 4.0", model="skt/A.X-4.0") + COMMON.format(k=1000) + VLLM + LARGE,
}
