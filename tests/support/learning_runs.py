"""Stops runs of agents, and compares what they leave in their folders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from atari_dqn_replay.agents.run_folder import RunFolder

TIMES = ("updates_per_second", "data_wait_share", "steps_per_second")
"""What is measured, and so differs between runs that are the same."""


def stopping_after(function: Callable[..., Any], calls: int) -> Callable[..., Any]:
    """Returns the function, interrupted at one more call than these."""
    left = iter(range(calls))

    def stopping(*arguments: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return function(*arguments)

    return stopping


def log_of(folder: Path) -> list[dict[str, Any]]:
    """Returns the records of a run's log, without what was measured."""
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in record.items() if name not in TIMES} for record in records]


def assert_same_run(first: Path, second: Path) -> None:
    """Check that two runs logged the same, and ended with the same bits."""
    assert log_of(first) == log_of(second)
    assert_same_bits(RunFolder(first).load(), RunFolder(second).load())


def assert_same_bits(first: Any, second: Any) -> None:
    """Check that two states, tensors inside dicts and lists, are equal."""
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for name in first:
            assert_same_bits(first[name], second[name])
    elif isinstance(first, list):
        assert len(first) == len(second)
        for pair in zip(first, second, strict=True):
            assert_same_bits(*pair)
    else:
        assert first == second
