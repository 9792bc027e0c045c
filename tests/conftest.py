"""What several test files share."""

import gc
import os
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Read once, when huggingface_hub is imported: the test server speaks LFS, not Xet.
os.environ["HF_HUB_DISABLE_XET"] = "1"

from hub_server import HubServer, running_hub

# Every run tries the same examples, so that a change alone can make a test fail;
# `HYPOTHESIS_PROFILE=default` tries others.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests are slow, so that no worker is left with one at the end.

    xdist keeps this order of files (`--no-loadscope-reorder`).
    """
    tests = Counter(item.path for item in items)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (-slow[item.path] / tests[item.path], -tests[item.path]))


def pytest_collection_finish() -> None:
    """Collecting garbage, as `verify` does, need not look at all that was imported for the tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)  # d3rlpy's environment has no xdist
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for a process, a server or a clock."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A Hub of the test's own."""
    with running_hub() as server:
        yield server
