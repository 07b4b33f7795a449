"""Real models with a few thousand random weights, saved as sentence-transformers saves any model."""

import json
from pathlib import Path

from indexes.models.embedder import (
    EMBEDDED_FOLDER,
)

WORDS = (
    "연차휴가는 며칠인가요? 매출액 1,234억원 (12.5%) 제1조(목적) 병가 재택근무 query: passage: 가나다라마바사"
)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
DIM = 32


def make_tokenizer():
    """A WordPiece tokenizer trained on WORDS, with BERT's marks around a text and between two."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator([WORDS], trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIAL))
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=marks
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def _config(tokenizer, reads: int, **more):
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=DIM,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=reads,
        **more,
    )


def make_bi_encoder(
    folder: Path, prompts: dict[str, str] | None = None, reads: int = 128, seed: int = 0
) -> Path:
    """The folder of a one-layer BERT that embeds a text as the mean of its tokens; it reads `reads` tokens."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertModel

    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    BertModel(_config(tokenizer, reads)).save_pretrained(folder / "plain")
    tokenizer.save_pretrained(folder / "plain")
    modules = [Transformer(str(folder / "plain")), Pooling(DIM), Normalize()]
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(folder / "model"))
    return folder / "model"


def make_cross_encoder(folder: Path, reads: int = 128, labels: int = 1) -> Path:
    """The folder of a one-layer BERT that gives a pair of texts `labels` scores; it reads `reads` tokens."""
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    BertForSequenceClassification(_config(tokenizer, reads, num_labels=labels)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def static_folder(folder: Path, prompts: dict[str, str]) -> Path:
    """A copy of the embedded model in `folder`, with other prompts."""
    for path in EMBEDDED_FOLDER.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(EMBEDDED_FOLDER)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    settings = folder / "config_sentence_transformers.json"
    settings.write_text(json.dumps(json.loads(settings.read_text("utf-8")) | {"prompts": prompts}), "utf-8")
    return folder
