"""placeholder until the branch joints lands"""
import re
from ingest.korean import glue_breaks

def _clear(before, after):
    last, first = before[-1], after[0]
    if first in ")]}」』”’〉》>.,;:%、。":
        return False
    if last in "([{「『“‘〈《<":
        return False
    if last in ".!?;:,)]」』”’>。、" and not (last in ".," and first.isdigit()):
        return True if first not in "의은는이가을를에로와과" or last not in ")]」』”’>" else None
    if last.isascii() and first.isascii() and (last.isalpha() or first.isalpha()):
        return True
    if last.isdigit() and first.isdigit():
        return False
    return None

def decide(breaks, lines):
    out = []
    for b, a in breaks:
        c = _clear(b, a)
        out.append(glue_breaks([b[-12:], a[:12]])[0] if c is None else c)
    return out
