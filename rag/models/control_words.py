"""Text for a server that tokenises itself → the same text without control words of any chat model.

A chat server puts our messages into its model's template and turns the whole into tokens, so that «[INST]»
or «<|im_end|>» in a document would become the control token itself, and the document could speak as the user.
We cannot know for sure which model serves, so the control words of all common families are defused: their first
bracket is written in its full-width form, which reads the same and is a control token of none of them. Quotes
are read from the index and keep the document's own characters.
"""

import re

# <|im_end|>, <|eot_id|> (ChatML, Llama 3, A.X, Phi …), <｜User｜> (DeepSeek), [|user|] (EXAONE)
BARRED = r"[<\[](?=[|｜])"
# <turn|>
CLOSED_BY_BAR = r"<(?=/?[A-Za-z_]{1,40}\|>)"
# <start_of_turn> (Gemma), <tool_call> (Qwen, Hermes), <unused12>, </s>, <bos>, <think> …
NAMED = (
    r"<(?=/?(?:[A-Za-z]+(?:_[A-Za-z0-9]+)+|unused\d+"
    r"|s|bos|eos|pad|unk|mask|sop|eop|think|image|video|audio|img|box|ref|quad)>)"
)
# <<SYS>> (Llama 2)
DOUBLED = r"<(?=</?SYS>>)"
# [INST], [/INST], [TOOL_CALLS] … (Mistral, Llama 2), [gMASK] (GLM), [CLS]
SQUARE = (
    r"\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS|CALL_ID"
    r"|THINK|IMG|IMG_BREAK|IMG_END|AUDIO|BEGIN_AUDIO|PREFIX|MIDDLE|SUFFIX"
    r"|[gs]?MASK|BOS|EOS|CLS|SEP|PAD|UNK)\])"
)
CONTROL_WORD = re.compile("|".join((BARRED, CLOSED_BY_BAR, NAMED, DOUBLED, SQUARE)))
FULL_WIDTH = {"<": "＜", "[": "［"}


def without_control_words(text: str) -> str:
    """`text` with the first bracket of each control word in its full-width form; as long as `text`."""
    return CONTROL_WORD.sub(lambda match: FULL_WIDTH[match[0]], text)
