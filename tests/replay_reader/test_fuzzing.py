"""A short run of `tests/fuzz_datasets.py`: spoilt files give the right data or one error."""

import pytest
from fuzz_datasets import COMMANDS, READERS, Fuzzer


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Fuzzer:
    return Fuzzer(tmp_path_factory.mktemp("fuzzing"))


@pytest.mark.slow
def test_spoilt_datasets_are_never_wrong_in_silence(fuzzer: Fuzzer) -> None:
    findings = [fuzzer.round(seed, list(READERS)) for seed in range(40)]
    assert [finding for finding in findings if finding is not None] == []
    assert fuzzer.outcomes["refused"] > 13


@pytest.mark.slow
def test_commands_find_what_was_spoilt_or_end_with_a_message(fuzzer: Fuzzer) -> None:
    findings = [fuzzer.round(seed, list(COMMANDS)) for seed in range(24)]
    assert [finding for finding in findings if finding is not None] == []
