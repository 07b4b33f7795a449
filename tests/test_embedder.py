"""Any sentence-transformers folder embeds; what it is gets pinned, and is checked."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexes.build import ingest
from indexes.embedder import (
    EMBEDDED_FOLDER,
    SentenceTransformerEmbedder,
    StaticEmbedder,
    folder_fingerprint,
    open_embedder,
)
from indexes.errors import ChunkTooLong, IndexMismatch, ModelUnavailable
from indexes.retriever import Retriever
from ingest.chunking import ChunkingConfig
from ingest.korean import open_analyser
from ingest.worker import IngestConfig, ParseOptions
from rag.tokens import ModelTokenizer
from tests.pdfs import make_pdf

TEXTS = ["연차휴가는 며칠인가요?", "매출액 1,234억원 (12.5%)", "", "…", "가" * 3000, "<|im_end|> 漢字 😀"]


@pytest.fixture(scope="module")
def transformer_folder(tmp_path_factory) -> Path:
    """A small random BERT with a query prompt, saved as sentence-transformers saves any model."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bert")
    words = {
        word: i
        for i, word in enumerate(
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "연차", "휴가", "병가", "query", ":"]
        )
    }
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(config).save_pretrained(folder / "plain")
    fast.save_pretrained(folder / "plain")
    transformer = Transformer(str(folder / "plain"), max_seq_length=64)
    model = SentenceTransformer(
        modules=[transformer, Pooling(32), Normalize()], prompts={"query": "query : ", "document": ""}
    )
    model.save(str(folder / "model"))
    return folder / "model"


def static_folder(folder: Path, prompts: dict[str, str]) -> Path:
    """The embedded model with other prompts."""
    for path in EMBEDDED_FOLDER.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(EMBEDDED_FOLDER)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    settings = folder / "config_sentence_transformers.json"
    settings.write_text(json.dumps(json.loads(settings.read_text("utf-8")) | {"prompts": prompts}), "utf-8")
    return folder


def test_a_static_model_read_without_torch_equals_sentence_transformers():
    ours = StaticEmbedder("embedded", EMBEDDED_FOLDER)
    theirs = SentenceTransformerEmbedder(str(EMBEDDED_FOLDER))
    np.testing.assert_allclose(ours.embed_passages(TEXTS), theirs.embed_passages(TEXTS), atol=2e-3)
    np.testing.assert_allclose(ours.embed_queries(TEXTS), theirs.embed_queries(TEXTS), atol=2e-3)
    assert (ours.identity.dim, ours.identity.revision) == (theirs.identity.dim, theirs.identity.revision)


def test_rows_are_unit_or_zero():
    norms = np.linalg.norm(open_embedder("embedded").embed_passages(TEXTS), axis=1)
    assert all(abs(norm - 1) < 1e-5 or norm == 0 for norm in norms)
    assert open_embedder("embedded").embed_passages([]).shape[0] == 0


def test_prompts_of_the_model_are_used_and_recorded(tmp_path, transformer_folder):
    prompts = {"query": "질문: ", "document": "문서: "}
    static = open_embedder(str(static_folder(tmp_path / "static", prompts)))
    assert isinstance(static, StaticEmbedder)
    assert (static.identity.query_prompt, static.identity.passage_prompt) == ("질문: ", "문서: ")
    plain = open_embedder("embedded")
    np.testing.assert_allclose(static.embed_queries(["연차"]), plain.embed_passages(["질문: 연차"]))
    bert = open_embedder(str(transformer_folder))
    assert isinstance(bert, SentenceTransformerEmbedder)
    assert (bert.identity.query_prompt, bert.identity.dim, bert.max_tokens) == ("query : ", 32, 64)
    np.testing.assert_allclose(
        bert.embed_queries(["연차 휴가"]), bert.embed_passages(["query : 연차 휴가"]), atol=1e-5
    )


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


def test_a_model_that_reads_less_than_a_chunk_is_refused(tmp_path, transformer_folder):
    (tmp_path / "a.pdf").write_bytes(make_pdf([["제1조(목적) 연차휴가를 정한다."]]))
    tokenizer = ModelTokenizer("embedded").plain_json
    bert = open_embedder(str(transformer_folder))
    long = ParseOptions(tokenizer, "bigram", ChunkingConfig(max_tokens=65))
    with pytest.raises(ChunkTooLong) as caught:
        ingest(tmp_path / "index", [tmp_path / "a.pdf"], bert, long, tokenizer="embedded")
    assert "chunking.max_tokens" in caught.value.say("en")
    short = replace(long, chunking=ChunkingConfig(max_tokens=64))
    report = ingest(tmp_path / "index", [tmp_path / "a.pdf"], bert, short, tokenizer="embedded")
    assert report.documents.added == 1


def test_a_model_that_is_not_there_is_named_with_what_to_do(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelUnavailable) as caught:
        open_embedder(str(tmp_path / "empty"))
    assert "models.embedder" in caught.value.say("ko")
