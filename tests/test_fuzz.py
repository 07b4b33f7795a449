"""A slice of the fuzzer over the sample documents; `make fuzz` runs it over the shared ones."""

from random import Random

import pytest

from eval.dataset import SAMPLES
from tests.fuzz.mutate import MUTATIONS, mutate
from tests.fuzz.run import fuzz_options, make_case, run
from tests.test_worker import CHARACTERS

SOURCES = sorted(SAMPLES.glob("*.pdf"))


def test_damaged_samples_are_read_whole_or_refused(tmp_path):
    report = run(SOURCES, 7, range(60), fuzz_options(CHARACTERS), tmp_path)
    assert not report.broken
    assert sum(sum(row.values()) for row in report.outcomes.values()) == 60
    assert not list(tmp_path.iterdir())


def test_the_same_seed_and_number_give_the_same_file():
    assert make_case(SOURCES, 7, 3) == make_case(SOURCES, 7, 3)
    assert make_case(SOURCES, 7, 3).data != make_case(SOURCES, 8, 3).data


@pytest.mark.parametrize("seed", range(5))
def test_every_mutation_changes_a_sample_or_finds_nothing_to_change(seed):
    data = SOURCES[seed % len(SOURCES)].read_bytes()
    for name, mutation in MUTATIONS.items():
        damaged = mutation(data, Random(seed), data)
        assert damaged is None or isinstance(damaged, bytes), name


def test_a_file_without_any_structure_is_damaged_too():
    damaged, name = mutate(b"%PDF-", Random(1), b"")
    assert damaged != b"%PDF-" and name in MUTATIONS
