"""Text for a server that tokenises itself → the same text without control words of the known families of chat models.

A chat server puts our messages into its model's template and turns the whole into tokens, so that «[INST]»
or «<|im_end|>» in a document would become the control token itself, and the document could speak as the user.
We cannot know for sure which model serves, so every word in the shape of a control word of a known family is
defused: its first bracket is written in its full-width form, which reads the same and is a control token of none
of them. Quotes are read from the index and keep the document's own characters.

The shapes, in this order below: a bar behind or before a bracket; Latin words joined by «_» or «:» in angle
brackets; one of a list of words there, also in capitals; <<SYS>>; a word of Latin capitals in square brackets, of
two letters or more, which a digit may follow; a small word and a number, [unused1]; MiniMax's ]~b] and [e~[.
Korean words, numbers, single letters and capitals with a hyphen, as in «[별표 1]», «<표 5>» and «[A-1]», have none
of these shapes.
"""

import re

# <|im_end|>, <|eot_id|> (ChatML, Llama 3, A.X, Phi …), <｜User｜> (DeepSeek), [|user|] (EXAONE)
BARRED = r"[<\[](?=[|｜])"
# <turn|>
CLOSED_BY_BAR = r"<(?=/?[A-Za-z_]{1,40}\|>)"
# <start_of_turn> (Gemma), <tool_call> (Qwen, Hermes), <seed:bos> (Seed), <tool_call:begin>
JOINED = r"<(?=/?[A-Za-z]{1,40}(?:[_:][A-Za-z0-9]{1,40}){1,8}>)"
# Words that are control words both in small letters and in capitals.
IN_BOTH_CASES = (
    "bos|eos|bop|eop|sop|eod|eot|eom|pad|unk|cls|sep|mask|think|thinking|thought"
    "|tool|tools|toolcall|toolcalls|toolresponse|system|user|assistant|image|video|audio|img"
)
# <unused12>, </s>, <bos>, <think>, <TOOLCALL> (Nemotron), <thought>, <eod> …
NAMED = rf"<(?=/?(?:unused\d+|s|box|ref|quad|{IN_BOTH_CASES}|{IN_BOTH_CASES.upper()})>)"
# <<SYS>> (Llama 2)
DOUBLED = r"<(?=</?SYS>>)"
# [INST], [/INST], [TOOL_CALLS] … (Mistral, Llama 2), [EOT], [CLS], [PAD7], [gMASK] and [sMASK] (GLM)
CAPITALS = r"\[(?=/?[gs]?[A-Z][A-Z_]{0,38}[A-Z](?:_?\d{1,4})?\])"
# [unused1] (BERT), [name_7]
NUMBERED = r"\[(?=/?(?:unused|[A-Za-z]{2,40}_)\d{1,4}\])"
# ]~b] and ]~!b[ begin, [e~[ ends a message (MiniMax)
TILDE = r"\](?=~!?[a-z]{1,8}[\]\[])|\[(?=[a-z]{1,8}~\[)"
CONTROL_WORD = re.compile(
    "|".join((BARRED, CLOSED_BY_BAR, JOINED, NAMED, DOUBLED, CAPITALS, NUMBERED, TILDE))
)
FULL_WIDTH = {"<": "＜", "[": "［", "]": "］"}


def without_control_words(text: str) -> str:
    """`text` with the first bracket of each control word in its full-width form; as long as `text`."""
    return CONTROL_WORD.sub(lambda match: FULL_WIDTH[match[0]], text)
