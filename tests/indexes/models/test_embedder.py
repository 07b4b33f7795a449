"""Any sentence-transformers folder embeds; what it is gets pinned, and is checked."""

import json
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from eval.training.train_embedder import read_everyday_words, save, swap_words
from indexes.build import ingest
from indexes.disk.retriever import Retriever
from indexes.errors import (
    ChunkTooLong,
    DimTooLarge,
    HalfPrecisionOverflow,
    IndexMismatch,
    IndexNotFound,
    ModelUnavailable,
    TextTooLong,
)
from indexes.models.embedder import (
    EMBEDDED_FOLDER,
    EmbeddingConfig,
    SentenceTransformerEmbedder,
    StaticEmbedder,
    folder_fingerprint,
    open_embedder,
)
from ingest.korean.analyse import open_analyser
from ingest.parse import IngestConfig, ParseOptions
from ingest.structure.chunking import ChunkingConfig
from rag.prompting.tokens import ModelTokenizer
from tests.support.files.pdfs import make_pdf
from tests.support.laws import examples
from tests.support.parsing import CHARACTERS
from tests.support.small_models import DIM, make_bi_encoder, static_folder

TEXTS = ["연차휴가는 며칠인가요?", "매출액 1,234억원 (12.5%)", "", "…", "가" * 3000, "<|im_end|> 漢字 😀"]


@pytest.fixture(scope="module")
def bi_encoder(tmp_path_factory) -> Path:
    """A small random BERT with prompts, of which it reads 128 tokens."""
    return make_bi_encoder(tmp_path_factory.mktemp("bert"), {"query": "query: ", "document": ""})


@pytest.fixture(scope="module")
def theirs(bi_encoder):
    """The model of `bi_encoder`, run by sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(bi_encoder), device="cpu")


def test_a_static_model_read_without_torch_equals_sentence_transformers():
    ours = StaticEmbedder("embedded", EMBEDDED_FOLDER)
    theirs = SentenceTransformerEmbedder(str(EMBEDDED_FOLDER))
    np.testing.assert_allclose(ours.embed_passages(TEXTS), theirs.embed_passages(TEXTS), atol=2e-3)
    np.testing.assert_allclose(ours.embed_queries(TEXTS), theirs.embed_queries(TEXTS), atol=2e-3)
    assert (ours.identity.dim, ours.identity.revision) == (theirs.identity.dim, theirs.identity.revision)


def test_a_table_of_bytes_with_shared_rows_equals_sentence_transformers(tmp_path):
    """The three tensors that sentence-transformers 6.2 folds into one table, each of them random."""
    folder = static_folder(tmp_path, {})
    weights = next(folder.rglob("*.safetensors"))
    tokens = len(Tokenizer.from_file(str(weights.parent / "tokenizer.json")).get_vocab())
    rng = np.random.default_rng(0)
    tensors = {
        "embeddings": rng.integers(-127, 128, (100, 16)).astype(np.int8),
        "mapping": rng.integers(100, size=tokens),
        "weights": rng.random(tokens).astype(np.float32),
    }
    save_file(tensors, weights)
    ours, theirs = StaticEmbedder("x", folder), SentenceTransformerEmbedder(str(folder))
    np.testing.assert_allclose(ours.embed_queries(TEXTS), theirs.embed_queries(TEXTS), atol=1e-4)


@examples(20)
@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6))
def test_what_the_trainer_saves_is_read_back_within_half_a_step(tmp_path_factory, seed, size):
    folder = tmp_path_factory.mktemp("trained")
    table = np.random.default_rng(seed).standard_normal((4, 8)).astype(np.float32) * np.float32(size)
    table[0] = 0
    tokenizer = Tokenizer(models.WordLevel({"가": 0, "나": 1, "다": 2, "[UNK]": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    save(folder, tokenizer, table)
    tensors = load_file(next(folder.rglob("*.safetensors")))
    again = tensors["embeddings"] * tensors["weights"][:, None]
    assert (abs(again - table) <= abs(table).max(axis=1, keepdims=True) / 127 * 0.5001).all()
    expected = table[1] / np.linalg.norm(table[1])
    np.testing.assert_allclose(open_embedder(str(folder)).embed_queries(["나"])[0], expected, atol=0.02)


def test_everyday_words_are_swapped_whole_and_at_the_start_of_a_word():
    everyday = {"퇴직": ["그만둠"], "퇴직금": ["그만둘 때 받는 돈"]}
    always = random.Random(0)
    always.random = lambda: 0.0
    assert swap_words("퇴직금의 지급, 명예퇴직 및 퇴직", everyday, always) == (
        "그만둘 때 받는 돈의 지급, 명예퇴직 및 그만둠"
    )


def test_everyday_words_that_ship_are_well_formed():
    everyday = read_everyday_words()
    phrases = [phrase for phrases in everyday.values() for phrase in phrases]
    assert len(everyday) > 400 and all(phrase == phrase.strip() != "" for phrase in phrases)
    assert all(word not in phrases for word, phrases in everyday.items())


def test_rows_are_unit_or_zero():
    norms = np.linalg.norm(open_embedder("embedded").embed_passages(TEXTS), axis=1)
    assert all(abs(norm - 1) < 1e-5 or norm == 0 for norm in norms)
    assert open_embedder("embedded").embed_passages([]).shape[0] == 0


def test_prompts_of_a_static_model_are_used_and_recorded(tmp_path):
    prompts = {"query": "질문: ", "document": "문서: "}
    static = open_embedder(str(static_folder(tmp_path / "static", prompts)))
    assert isinstance(static, StaticEmbedder)
    assert (static.identity.query_prompt, static.identity.passage_prompt) == ("질문: ", "문서: ")
    plain = open_embedder("embedded")
    np.testing.assert_allclose(static.embed_queries(["연차"]), plain.embed_passages(["질문: 연차"]))


def test_vectors_are_those_of_the_library_whatever_the_batches(bi_encoder, theirs):
    texts = [*(f"연차 {'휴가 ' * length}" for length in (40, 1, 17, 3, 25, 2)), "", "병가"]
    for batch_tokens in (1, 60, 16_384):
        ours = open_embedder(str(bi_encoder), EmbeddingConfig(batch_tokens=batch_tokens))
        done: list[int] = []
        assert isinstance(ours, SentenceTransformerEmbedder)
        assert (ours.identity.query_prompt, ours.identity.dim, ours.max_tokens) == ("query: ", DIM, 128)
        np.testing.assert_allclose(
            ours.embed_passages(texts, done.append), theirs.encode_document(texts), atol=1e-5
        )
        np.testing.assert_allclose(ours.embed_queries(texts), theirs.encode_query(texts), atol=1e-5)
        assert done == sorted(done) and done[-1] == len(texts)
    assert ours.embed_passages([]).shape == (0, DIM)
    for own, text in zip(ours.count_tokens(texts), texts, strict=True):
        assert own == theirs.preprocess([text])["input_ids"].shape[1]


@pytest.mark.parametrize(
    ("declared", "query", "passage"),
    [
        ({"query": "q: ", "document": "d: ", "passage": "p: "}, "q: ", "d: "),
        ({"query": "q: ", "passage": "p: "}, "q: ", "p: "),
        ({"corpus": "c: "}, "", "c: "),
        ({"web": "w: "}, "", ""),
        ({}, "", ""),
    ],
)
def test_prompts_are_those_that_the_model_declares(tmp_path, bi_encoder, declared, query, passage):
    folder = tmp_path / "model"
    shutil.copytree(bi_encoder, folder)
    settings = folder / "config_sentence_transformers.json"
    settings.write_text(json.dumps(json.loads(settings.read_text("utf-8")) | {"prompts": declared}), "utf-8")
    embedder = open_embedder(str(folder))
    plain = open_embedder(str(bi_encoder))
    assert (embedder.identity.query_prompt, embedder.identity.passage_prompt) == (query, passage)
    np.testing.assert_allclose(
        embedder.embed_passages(["연차 휴가"]), plain.embed_passages([passage + "연차 휴가"]), atol=1e-5
    )
    np.testing.assert_allclose(
        embedder.embed_queries(["연차 휴가"]), plain.embed_passages([query + "연차 휴가"]), atol=1e-5
    )
    static = open_embedder(str(static_folder(tmp_path / "static", declared))).identity
    assert (static.query_prompt, static.passage_prompt) == (query, passage)


def test_the_first_dimensions_of_a_matryoshka_model_are_pinned(bi_encoder, theirs):
    small = open_embedder(str(bi_encoder), EmbeddingConfig(dim=8))
    whole = open_embedder(str(bi_encoder))
    cut = theirs.encode_document(TEXTS[:2], truncate_dim=8, normalize_embeddings=True)
    np.testing.assert_allclose(small.embed_passages(TEXTS[:2]), cut, atol=1e-5)
    assert small.identity.dim == 8 and not small.identity.same_vectors(whole.identity)
    static, all_of_it = open_embedder("embedded", EmbeddingConfig(dim=64)), open_embedder("embedded")
    expected = all_of_it.embed_passages(TEXTS)[:, :64]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True).clip(1e-9)
    np.testing.assert_allclose(static.embed_passages(TEXTS), expected, atol=1e-5)
    for name in ("embedded", str(bi_encoder)):
        with pytest.raises(DimTooLarge, match="1024"):
            open_embedder(name, EmbeddingConfig(dim=1024))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_gives_nearly_the_same(bi_encoder, dtype):
    half = open_embedder(str(bi_encoder), EmbeddingConfig(dtype=dtype))
    whole = open_embedder(str(bi_encoder))
    np.testing.assert_allclose(half.embed_passages(TEXTS[:2]), whole.embed_passages(TEXTS[:2]), atol=0.01)
    assert half.identity == whole.identity  # an index that a GPU built answers on a laptop


def test_numbers_that_half_precision_cannot_hold_are_refused_not_zeroed(tmp_path, bi_encoder):
    from safetensors.torch import load_file, save_file

    shutil.copytree(bi_encoder, tmp_path / "model")
    weights = next((tmp_path / "model").rglob("*.safetensors"))
    tensors = load_file(weights)
    large = next(name for name in tensors if name.endswith("output.LayerNorm.weight"))
    tensors[large] = tensors[large] * 1e6
    save_file(tensors, weights, {"format": "pt"})
    with pytest.raises(HalfPrecisionOverflow, match="bfloat16"):
        open_embedder(str(tmp_path / "model"), EmbeddingConfig(dtype="float16")).embed_queries(["연차"])
    assert np.isfinite(open_embedder(str(tmp_path / "model")).embed_queries(["연차"])).all()


def test_threads_share_a_model(bi_encoder):
    embedder = open_embedder(str(bi_encoder))
    expected = embedder.embed_queries(["연차"])
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(
            lambda n: (embedder.embed_passages(["휴가 " * n]), embedder.embed_queries(["연차"])), range(1, 60)
        ):
            np.testing.assert_allclose(found[1], expected, atol=1e-5)


def test_the_fingerprint_follows_the_files_and_not_the_place(tmp_path):
    copy = static_folder(tmp_path / "a", {})
    again = static_folder(tmp_path / "b", {})
    assert folder_fingerprint(copy) == folder_fingerprint(again)
    weights = next(copy.rglob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    assert folder_fingerprint(copy) != folder_fingerprint(again)


def test_an_index_keeps_its_model_wherever_a_copy_of_it_lies(tmp_path):
    (tmp_path / "a.pdf").write_bytes(make_pdf([["제1조(목적) 연차휴가를 정한다."]]))
    options = ParseOptions(ModelTokenizer("embedded").plain_json, "bigram", limits=IngestConfig(workers=1))
    prompts = json.loads((EMBEDDED_FOLDER / "config_sentence_transformers.json").read_text("utf-8"))[
        "prompts"
    ]
    original = open_embedder(str(static_folder(tmp_path / "here", prompts)))
    ingest(tmp_path / "index", [tmp_path / "a.pdf"], original, options, tokenizer="embedded")
    moved = open_embedder(str(static_folder(tmp_path / "there", prompts)))
    found = Retriever(tmp_path / "index", moved, open_analyser("bigram")).retrieve(["연차"], 1)
    assert found[0]
    prompted = replace(moved.identity, query_prompt="query: ")
    moved.identity = prompted
    with pytest.raises(IndexMismatch):
        Retriever(tmp_path / "index", moved, open_analyser("bigram"))


def test_a_model_that_reads_less_than_a_chunk_is_refused_before_anything_is_written(tmp_path, bi_encoder):
    (tmp_path / "a.pdf").write_bytes(make_pdf([["제1조(목적) 연차휴가를 정한다."]]))
    tokenizer = ModelTokenizer("embedded").plain_json
    bert = open_embedder(str(bi_encoder))
    options = ParseOptions(tokenizer, "bigram", ChunkingConfig(max_tokens=400))
    with pytest.raises(ChunkTooLong) as caught:
        ingest(tmp_path / "index", [tmp_path / "a.pdf"], bert, options, tokenizer="embedded")
    assert not (tmp_path / "index").exists()
    fitting = caught.value.fields["fitting"]
    assert caught.value.fields["tokens"] > 128 and f"chunking.max_tokens to {fitting} " in caught.value.say(
        "en"
    )
    options = replace(options, chunking=ChunkingConfig(max_tokens=fitting))
    report = ingest(tmp_path / "index", [tmp_path / "a.pdf"], bert, options, tokenizer="embedded")
    assert report.documents.added == 1


def test_a_text_that_would_be_cut_is_refused_by_its_own_tokens(tmp_path, bi_encoder):
    """Chunks are counted in another tokenizer, and without their headings."""
    bert = open_embedder(str(bi_encoder))
    assert len(bert.embed_passages(["연차 " * 60])) == 1
    with pytest.raises(TextTooLong) as caught:
        bert.embed_passages(["병가", "연차 " * 200])
    assert caught.value.fields["tokens"] > 128 and "연차 연차" in caught.value.say("ko")
    assert bert.embed_queries(["연차 " * 200]).shape == (1, DIM)
    # One «word» of the tokenizer that counts, many of the model's.
    (tmp_path / "a.txt").write_text("제1조(목적) " + "1,2,3,4,5,6,7,8,9.0 " * 40, encoding="utf-8")
    coarse = json.dumps(json.loads(CHARACTERS) | {"pre_tokenizer": {"type": "WhitespaceSplit"}})
    options = ParseOptions(coarse, "bigram", ChunkingConfig(60), IngestConfig(workers=1))
    with pytest.raises(TextTooLong):
        ingest(tmp_path / "index", [tmp_path / "a.txt"], bert, options, tokenizer="words")
    with pytest.raises(IndexNotFound):  # not an empty index that pins the model
        Retriever(tmp_path / "index", None, None)


def test_a_model_that_is_not_there_is_named_with_what_to_do(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelUnavailable) as caught:
        open_embedder(str(tmp_path / "empty"))
    assert "models.embedder" in caught.value.say("ko")
