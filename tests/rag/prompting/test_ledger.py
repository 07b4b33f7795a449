"""A seeded slice of the ledger; all of it is `make ledger`."""

from tests.ledger import run
from tests.support.files.shared import tokenizer_folder


def test_every_token_of_random_prompts_is_accounted_for():
    found = run(str(tokenizer_folder()), 7, 600)
    assert found.wrong == []
    for kind in ("with turns", "turns left out", "control tokens in texts", "refused: no room"):
        assert found.cases[kind] > 5, kind
    assert sum(map(len, found.fills.values())) > 200


def test_and_with_the_tokenizer_that_ships():
    assert run("embedded", 8, 200).wrong == []
