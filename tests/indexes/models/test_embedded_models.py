"""The two models inside the package: they load offline, stay small, and do what is asked of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.models.embedder import open_embedder

ROOT = Path(__file__).resolve().parents[3]
TOKENIZER = ROOT / "rag" / "prompting" / "embedded"
EMBEDDER = ROOT / "indexes" / "models" / "embedded"
CONTROLS = (
    "<|endoftext|>",
    "<|pad|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
)
PIECES = st.one_of(
    st.characters(exclude_categories=("Cs",)),
    st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3),  # Hangul syllables
    st.characters(min_codepoint=0x1100, max_codepoint=0x11FF),  # conjoining jamo
    st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),  # Hanja
    st.sampled_from(["①", "Ａ", "％", "㎡", "👩‍👩‍👧", "🇰🇷", "\r\n", "  ", "\x00", "\ufeff", "제3조"]),
    st.sampled_from([*CONTROLS, "<|", "|>", "<|im_end", "<|im_end|><|im_start|>"]),
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(TOKENIZER / "tokenizer.json"))


@pytest.fixture(scope="module")
def plain_tokenizer(tokenizer):
    """The tokenizer without its control tokens, as document text is encoded."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(json.dumps(json.loads(tokenizer.to_str()) | {"added_tokens": []}))


@pytest.fixture(scope="module")
def embedder():
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(EMBEDDER), device="cpu", local_files_only=True)


@given(TEXTS)
def test_the_tokenizer_gives_any_text_back(tokenizer, plain_tokenizer, text):
    for either in (tokenizer, plain_tokenizer):
        ids = either.encode(text, add_special_tokens=False).ids
        assert either.decode(ids, skip_special_tokens=False) == text


@given(TEXTS)
def test_without_control_tokens_no_text_makes_one(tokenizer, plain_tokenizer, text):
    controls = {tokenizer.token_to_id(control) for control in CONTROLS}
    assert controls.isdisjoint(plain_tokenizer.encode(text, add_special_tokens=False).ids)


def test_the_tokenizer_has_16000_entries_and_every_control_token_is_one_id(tokenizer):
    assert tokenizer.get_vocab_size() == 16_000
    for control in CONTROLS:
        ids = tokenizer.encode(control, add_special_tokens=False).ids
        assert ids == [tokenizer.token_to_id(control)]


def test_the_chat_template_has_no_newlines_and_generation_ends_at_im_end(tokenizer):
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(TOKENIZER, local_files_only=True)
    messages = [{"role": "system", "content": "가"}, {"role": "user", "content": "나\n다"}]
    rendered = loaded.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert rendered == (
        "<|im_start|><|system|>가<|im_end|><|im_start|><|user|>나\n다<|im_end|><|im_start|><|assistant|>"
    )
    expected = tokenizer.encode(rendered, add_special_tokens=False).ids
    assert loaded(rendered, add_special_tokens=False).input_ids == expected
    generation = json.loads((TOKENIZER / "generation_config.json").read_text("utf-8"))
    assert generation["eos_token_id"] == tokenizer.token_to_id("<|im_end|>")


def test_korean_law_takes_few_tokens(tokenizer):
    text = "제15조(개인정보의 수집ㆍ이용) ① 개인정보처리자는 다음 각 호의 어느 하나에 해당하는 경우에는"
    assert len(text) / len(tokenizer.encode(text, add_special_tokens=False).ids) > 1.5


@pytest.mark.parametrize(
    ("folder", "most_bytes"), [(TOKENIZER, 1_500_000), (EMBEDDER, 10_000_000)], ids=["llm", "embedder"]
)
def test_a_folder_is_small_holds_no_pickle_and_says_what_it_is(folder, most_bytes):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= most_bytes
    assert {path.suffix for path in files} <= {".json", ".md", ".safetensors"}
    assert "Apache-2.0" in (folder / "README.md").read_text("utf-8")


def test_embeddings_are_unit_rows_of_384_dimensions(embedder):
    vectors = embedder.encode(["휴가", "제3조(정의)", "Annual leave", "數 ① 👩‍👩‍👧"])
    assert embedder.get_embedding_dimension() == 384
    assert vectors.shape == (4, 384)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_the_package_reads_the_folder_as_sentence_transformers_does(embedder):
    own = open_embedder("embedded")
    texts = ["제3조(정의) 휴가는 며칠인가요?", "ＡＢＣ", "數 ① 👩‍👩‍👧", "Annual leave"]
    assert own.identity.dim == 384
    np.testing.assert_allclose(own.embed_passages(texts), embedder.encode(texts), atol=2e-3)


@pytest.mark.parametrize("text", ["", " \n", "…·", "\x00"])
def test_a_text_without_words_is_the_zero_vector(embedder, text):
    assert not open_embedder("embedded").embed_queries([text]).any()
    assert not embedder.encode([text]).any()


def test_a_question_is_nearest_to_the_passage_that_answers_it(embedder):
    pairs = {
        "연차휴가는 며칠인가요?": "1년간 근속한 직원에게는 15일의 유급휴가를 준다.",
        "개인정보가 유출되면 어떻게 하나요?": "처리자는 누설 사실을 정보주체에게 지체 없이 알린다.",
        "온실가스 배출을 어떻게 줄이나요?": "회사는 탄소 감축을 위하여 재생에너지 설비를 늘린다.",
        "보조금을 신청하려면 어떻게 해야 하나요?": "지원금을 받으려는 자는 신청서를 시장에게 제출한다.",
    }
    cosines = embedder.encode_query(list(pairs)) @ embedder.encode_document(list(pairs.values())).T
    assert (cosines.argmax(axis=1) == np.arange(len(pairs))).all()


def test_texts_that_differ_in_form_only_are_one(embedder):
    full_width, plain = embedder.encode(["ＡＢＣ　제３조", "abc 제3조"])
    assert full_width @ plain == pytest.approx(1, abs=1e-3)
