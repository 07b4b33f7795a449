"""A PDF file → the same file damaged in one way, as a pure function of a random number generator.

Damage to arbitrary bytes mostly gives a file that no reader opens. Damage inside compressed streams, in
an otherwise whole file, reaches the reader's own code. A changed stream is compressed again and padded
to its old length, so that all offsets stay right; one that has grown moves what follows, and the reader
has to rebuild the table.
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

OBJECT = re.compile(rb"(?<![\d.])(\d{1,10}) (\d{1,5}) obj\b.*?\bendobj\b", re.DOTALL)
STREAM = re.compile(rb"\bobj\b((?:(?!\bobj\b|\bendobj\b).){0,4000}?)\bstream\r?\n", re.DOTALL)
NUMBER = re.compile(rb"(?<![\w.#+-])[+-]?\d+(?:\.\d+)?(?![\w.])")
TOLD = re.compile(
    rb"/(Length1?|Count|Size|First|N|Index|W|DW|Kids|Rotate|MediaBox|CropBox|BBox|Matrix|FirstChar|LastChar|Widths"
    rb"|Parent|Prev|Predictor|Columns|Colors|StartDirect|Contents|ToUnicode|DescendantFonts|FontFile2?|CIDToGIDMap)"
    rb"\s*\[?\s*([+-]?\d+(?:\.\d+)?)"
)
HEX = re.compile(rb"<([0-9A-Fa-f]{2,64})>")
FILTERS = (
    b"/FlateDecode",
    b"/LZWDecode",
    b"/ASCIIHexDecode",
    b"/ASCII85Decode",
    b"/RunLengthDecode",
    b"/DCTDecode",
    b"/Crypt",
    b"/NoSuchDecode",
)
EXTREMES = (
    b"0",
    b"-1",
    b"1",
    b"65535",
    b"65536",
    b"2147483647",
    b"-2147483648",
    b"4294967296",
    b"99999999999999999999",
    b"1e309",
    b"0.0000000000001",
    b"-0.0",
    b"999999",
)

# (file, random numbers, donor) → the damaged file, or None if the file has nothing to damage in this way.
Mutation = Callable[[bytes, Random, bytes], bytes | None]


def mutate(data: bytes, random: Random, donor: bytes) -> tuple[bytes, str]:
    """`data` damaged in one way, and the name of that way, a key of MUTATIONS.

    Args:
        donor: another PDF, whose parts may replace parts of this one.
    """
    while True:
        name = random.choice(list(MUTATIONS))
        damaged = MUTATIONS[name](data, random, donor)
        if damaged is not None and damaged != data:
            return damaged, name


# bytes, whatever they mean


def flip_few(data: bytes, random: Random, donor: bytes) -> bytes:
    return _flipped(data, random, random.randint(1, 8))


def flip_many(data: bytes, random: Random, donor: bytes) -> bytes:
    return _flipped(data, random, max(1, len(data) // random.choice((50, 200, 1000))))


def truncate(data: bytes, random: Random, donor: bytes) -> bytes:
    return data[: random.randint(1, len(data))]


def delete_chunk(data: bytes, random: Random, donor: bytes) -> bytes:
    start = random.randrange(len(data))
    return data[:start] + data[start + random.randint(1, max(1, len(data) // 4)) :]


def append_other(data: bytes, random: Random, donor: bytes) -> bytes:
    """Append the tail of the donor, which gives the file two ends and two tables."""
    return data + donor[random.randrange(max(1, len(donor))) :]


# objects


def splice_object(data: bytes, random: Random, donor: bytes) -> bytes | None:
    """Replace the body of an object by one of the donor's."""
    ours, theirs = _pick(OBJECT, data, random), _pick(OBJECT, donor, random)
    if not (ours and theirs):
        return None
    body = theirs[0][theirs.end(2) - theirs.start() :]
    return data[: ours.end(2)] + body + data[ours.end() :]


def swap_numbers(data: bytes, random: Random, donor: bytes) -> bytes | None:
    one, other = _pick(OBJECT, data, random), _pick(OBJECT, data, random)
    if not (one and other) or one.start() >= other.start():
        return None
    return data[: one.start(1)] + other[1] + data[one.end(1) : other.start(1)] + one[1] + data[other.end(1) :]


def duplicate_number(data: bytes, random: Random, donor: bytes) -> bytes | None:
    one, other = _pick(OBJECT, data, random), _pick(OBJECT, data, random)
    return one and other and data[: one.start(1)] + other[1] + data[one.end(1) :]


def extreme_number(data: bytes, random: Random, donor: bytes) -> bytes | None:
    """Set a number that readers trust (/Length, /Count, /MediaBox …) to an extreme value."""
    return _extreme(data, random)


def redirect_reference(data: bytes, random: Random, donor: bytes) -> bytes | None:
    """Make a reference point to another object, perhaps to its own."""
    found = _pick(re.compile(rb"(?<!\d)(\d{1,6}) \d{1,5} R\b"), data, random)
    target = _pick(OBJECT, data, random)
    return found and target and data[: found.start(1)] + target[1] + data[found.end(1) :]


def damage_table(data: bytes, random: Random, donor: bytes) -> bytes | None:
    """Damage the cross-reference table or what points to it."""
    places = [m.start() for m in re.finditer(rb"startxref|xref|trailer|/XRef\b", data)]
    if not places:
        return None
    start = random.choice(places)
    end = min(len(data), start + random.randint(10, 400))
    kind = random.randrange(3)
    if kind == 0:
        return data[:start] + data[end:]
    if kind == 1:
        return data[:start] + _flipped(data[start:end], random, 12) + data[end:]
    return (
        data[:start]
        + re.sub(rb"\d+", lambda _: b"%d" % random.randrange(10**6), data[start:end])
        + data[end:]
    )


def swap_filter(data: bytes, random: Random, donor: bytes) -> bytes | None:
    found = _pick(re.compile(rb"/(?:FlateDecode|DCTDecode|LZWDecode|ASCII85Decode)\b"), data, random)
    if not found:
        return None
    new = random.choice(FILTERS)
    if random.random() < 0.3:
        new = b"[" + b" ".join(random.choice(FILTERS) for _ in range(random.randint(2, 40))) + b"]"
    return data[: found.start()] + new + data[found.end() :]


def damage_encryption(data: bytes, random: Random, donor: bytes) -> bytes | None:
    """Damage the encryption dictionary; if the file has none, claim that it has one."""
    found = _pick(re.compile(rb"/(?:V|R|P|Length|StmF|StrF|CFM|O|U|OE|UE|Perms)\b\s*\S{1,6}"), data, random)
    if b"/Encrypt" in data and found:
        return data[: found.start()] + _flipped(found[0], random, 2) + data[found.end() :]
    root = _pick(re.compile(rb"/Root\b"), data, random)
    target = _pick(OBJECT, data, random)
    return root and target and data[: root.start()] + b"/Encrypt %s 0 R " % target[1] + data[root.start() :]


# what is inside compressed streams


@dataclass(frozen=True, slots=True)
class _Stream:
    header: bytes  # from «obj» to «stream»
    start: int
    end: int
    content: bytes  # inflated


def damage_content(data: bytes, random: Random, donor: bytes) -> bytes | None:
    """Damage the operators that draw a page."""
    return _in_stream(data, random, _is_content, _damage_text)


def damage_unicode_map(data: bytes, random: Random, donor: bytes) -> bytes | None:
    """Change entries of a font's ToUnicode map, so that text looks right and reads wrong."""
    return _in_stream(data, random, _is_unicode_map, _damage_map)


def shuffle_unicode_map(data: bytes, random: Random, donor: bytes) -> bytes | None:
    """Shuffle all targets of a ToUnicode map."""
    return _in_stream(data, random, _is_unicode_map, _shuffle_map)


def damage_font(data: bytes, random: Random, donor: bytes) -> bytes | None:
    return _in_stream(
        data,
        random,
        _is_font,
        lambda body, random: _flipped(body, random, random.randint(1, len(body) // 20 + 1)),
    )


def damage_object_stream(data: bytes, random: Random, donor: bytes) -> bytes | None:
    """Damage the dictionaries in an object stream: pages, fonts, the page tree."""
    return _in_stream(data, random, lambda s: b"/ObjStm" in s.header, _damage_text)


def damage_any_stream(data: bytes, random: Random, donor: bytes) -> bytes | None:
    return _in_stream(data, random, lambda s: True, lambda body, random: _flipped(body, random, 5))


def _is_content(stream: _Stream) -> bool:
    return b"/Type" not in stream.header and re.search(rb"\b(?:Tj|TJ|Tf|re|cm)\b", stream.content) is not None


def _is_unicode_map(stream: _Stream) -> bool:
    return b"beginbfchar" in stream.content or b"beginbfrange" in stream.content


def _is_font(stream: _Stream) -> bool:
    return b"/Length1" in stream.header or stream.content[:4] in (b"\0\1\0\0", b"OTTO", b"true", b"\1\0\4\1")


def _damage_text(body: bytes, random: Random) -> bytes:
    kind = random.randrange(5)
    if kind == 0:
        return _flipped(body, random, random.randint(1, 20))
    if kind == 1:
        return _extreme(body, random, NUMBER) or body
    start, end = sorted(random.randrange(len(body) + 1) for _ in range(2))
    if kind == 2:
        return body[:start] + body[end:]
    if kind == 3:
        return body[:end] + body[start:end] * random.randint(1, 50) + body[end:]
    return HEX.sub(lambda m: b"<%s>" % random.randbytes(len(m[1]) // 2).hex().encode(), body)


def _damage_map(body: bytes, random: Random) -> bytes:
    kind = random.randrange(4)
    if kind == 0:
        return _flipped(body, random, random.randint(1, 20))
    if kind == 1:
        return body[: random.randrange(len(body))]
    share = random.choice((0.05, 0.3, 1.0))
    wild = (
        (lambda: random.randrange(0xE000, 0xF900)) if kind == 2 else (lambda: random.randrange(0x20, 0xFFFF))
    )
    return HEX.sub(lambda m: b"<%04X>" % wild() if random.random() < share else m[0], body)


def _shuffle_map(body: bytes, random: Random) -> bytes:
    # The targets: in lines `<code> <target>`, the second of each pair.
    line = re.compile(
        rb"(<[0-9A-Fa-f]+>\s*(?:<[0-9A-Fa-f]+>\s*)?)(<[0-9A-Fa-f]{4,}>)(?=\s*[\r\n]|\s+<|\s*end)"
    )
    targets = [m[2] for m in line.finditer(body)]
    random.shuffle(targets)
    replacements = iter(targets)
    return line.sub(lambda m: m[1] + next(replacements), body)


def _in_stream(
    data: bytes,
    random: Random,
    fits: Callable[[_Stream], bool],
    damage: Callable[[bytes, Random], bytes],
) -> bytes | None:
    stream = _pick_stream(data, random, fits)
    if stream is None:
        return None
    packed = zlib.compress(damage(stream.content, random), 9)
    room = stream.end - stream.start
    if len(packed) <= room:
        return data[: stream.start] + packed.ljust(room, b"\0") + data[stream.end :]
    header = re.sub(rb"/Length\s+\d+(?:\s+\d+\s+R)?", b"/Length %d" % len(packed), stream.header)
    begin = data.rindex(stream.header, 0, stream.start)
    between = data[begin + len(stream.header) : stream.start]
    return data[:begin] + header + between + packed + data[stream.end :]


def _pick_stream(data: bytes, random: Random, fits: Callable[[_Stream], bool]) -> _Stream | None:
    """The first inflatable stream that fits, from a random one on; None if none does."""
    matches = list(STREAM.finditer(data))
    start = random.randrange(len(matches)) if matches else 0
    for match in matches[start:] + matches[:start]:
        end = data.find(b"endstream", match.end())
        if end < 0 or b"/FlateDecode" not in match[1] or b"/DecodeParms" in match[1] or b"/XRef" in match[1]:
            continue
        try:
            content = zlib.decompressobj().decompress(data[match.end() : end], 2**24)
        except zlib.error:
            continue
        stream = _Stream(match[1], match.end(), end, content)
        if content and fits(stream):
            return stream
    return None


def _flipped(data: bytes, random: Random, count: int) -> bytes:
    changed = bytearray(data)
    for _ in range(count if changed else 0):
        changed[random.randrange(len(changed))] ^= random.randint(1, 255)
    return bytes(changed)


def _extreme(data: bytes, random: Random, where: re.Pattern[bytes] = TOLD) -> bytes | None:
    found = _pick(where, data, random)
    if not found:
        return None
    start, end = found.span(where.groups)
    return data[:start] + random.choice(EXTREMES) + data[end:]


def _pick(pattern: re.Pattern[bytes], data: bytes, random: Random) -> re.Match[bytes] | None:
    """The first match of `pattern` from a random place on; None if there is none."""
    if not data:
        return None
    return pattern.search(data, random.randrange(len(data))) or pattern.search(data)


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        flip_few,
        flip_many,
        truncate,
        delete_chunk,
        append_other,
        splice_object,
        swap_numbers,
        duplicate_number,
        extreme_number,
        redirect_reference,
        damage_table,
        swap_filter,
        damage_encryption,
        damage_content,
        damage_unicode_map,
        shuffle_unicode_map,
        damage_font,
        damage_object_stream,
        damage_any_stream,
    )
}
