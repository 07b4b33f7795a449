"""Configuration: unknown keys and wrong values are refused by name."""

import tomllib
from dataclasses import fields

import pytest

from rag.config import TEMPLATES, Config, load_config
from rag.errors import ConfigError, UnknownConfigKey


@pytest.mark.parametrize("profile", sorted(TEMPLATES))
def test_every_profile_loads(profile, tmp_path):
    path = tmp_path / "rag.toml"
    path.write_text(TEMPLATES[profile], encoding="utf-8")
    load_config(path)


@pytest.mark.parametrize("profile", sorted(TEMPLATES))
def test_every_profile_names_every_key(profile):
    written = tomllib.loads(TEMPLATES[profile])
    assert {s: set(keys) for s, keys in written.items()} == {
        section.name: {key.name for key in fields(getattr(Config(), section.name))}
        for section in fields(Config)
    }


def test_the_embedded_profile_is_the_default(tmp_path):
    path = tmp_path / "rag.toml"
    path.write_text(TEMPLATES["embedded"], encoding="utf-8")
    assert load_config(path) == Config()


def test_the_command_line_wins_over_the_file(tmp_path):
    path = tmp_path / "rag.toml"
    path.write_text("[search]\nk = 5\nmode = 'dense'\n", encoding="utf-8")
    config = load_config(path, ["search.k=7", "generator.model=my/model", "generator.temperature=1"])
    assert (config.search.k, config.search.mode) == (7, "dense")
    assert (config.generator.model, config.generator.temperature) == ("my/model", 1.0)


@pytest.mark.parametrize("override", ["search.kk=5", "serch.k=5"])
def test_an_unknown_key_is_named_with_those_that_are_known(override):
    with pytest.raises(UnknownConfigKey) as caught:
        load_config(None, [override])
    name, known = ("search.kk", "mode") if override.startswith("search") else ("[serch]", "search")
    assert name in caught.value.say("en") and known in caught.value.say("ko")


@pytest.mark.parametrize(
    "override",
    [
        "search.k=0",
        "search.k=many",
        "search.mode=fast",
        "generator.backend=magic",
        "chunking.max_tokens=3",
        "generator.reserved_output=20000",
        "search.k",
        "search.dense_weight=-1",
        "ingest.workers=-1",
        "ingest.ocr=always",
    ],
)
def test_a_value_out_of_range_is_refused(override):
    with pytest.raises(ConfigError):
        load_config(None, [override])


@pytest.mark.parametrize("content", ["[search\n", "search = 3\n", "\xff"])
def test_a_broken_file_is_refused(content, tmp_path):
    path = tmp_path / "rag.toml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError):
        load_config(path)
