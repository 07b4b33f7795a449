"""Batches hold every text once, put similar lengths together, and never hold more tokens than fit."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.errors import OutOfMemory
from indexes.models.inference import Batches, cut

LENGTHS = st.lists(st.integers(0, 300), max_size=60)


class Full(Exception):
    """The device has no room."""


class Device:
    """Computes batches of at most `room` tokens, padding included; keeps the batches."""

    def __init__(self, lengths, room: int) -> None:
        self.lengths, self.room, self.freed = lengths, room, 0
        self.batches: list[list[int]] = []

    def compute(self, batch: list[int]) -> list[int]:
        if len(batch) * max(self.lengths[row] for row in batch) > self.room:
            raise Full
        self.batches.append(batch)
        return [self.lengths[row] for row in batch]

    def free(self) -> None:
        self.freed += 1


@given(LENGTHS, st.integers(1, 500))
def test_batches_hold_every_text_once_longest_first_and_no_more_tokens_than_asked(lengths, most):
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    batches = cut(order, lengths, most)
    assert [row for batch in batches for row in batch] == order
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= most
    for batch, following in pairwise(batches):  # none could have taken one more
        assert (len(batch) + 1) * lengths[batch[0]] > most
        assert lengths[batch[-1]] >= lengths[following[0]]


@given(LENGTHS, st.integers(300, 2000), st.integers(1, 20_000))
def test_where_memory_runs_out_batches_shrink_and_nothing_is_lost_or_done_twice(lengths, room, tokens):
    device = Device(lengths, room)
    batches = Batches("model", "embedding", tokens, Full, device.free)
    found = dict(
        pair for batch, rows in batches.run(lengths, device.compute) for pair in zip(batch, rows, strict=True)
    )
    assert found == dict(enumerate(lengths))
    assert sum(map(len, device.batches)) == len(lengths)
    again = Device(lengths, room)  # the smaller size is kept: no second try with what did not fit
    list(Batches("model", "embedding", batches.tokens, Full, again.free).run(lengths, again.compute))
    assert again.freed == 0


def test_a_single_text_that_does_not_fit_is_refused_with_what_to_do():
    device = Device([10, 400, 10], 300)
    with pytest.raises(OutOfMemory) as caught:
        list(Batches("KURE", "embedding", 10_000, Full, device.free).run(device.lengths, device.compute))
    assert "KURE" in caught.value.say("ko") and "embedding.device" in caught.value.say("en")
