"""What several test files share."""

import os
from collections.abc import Iterator

import pytest

# Read once, when huggingface_hub is imported: the test server speaks LFS, not Xet.
os.environ["HF_HUB_DISABLE_XET"] = "1"

from hub_server import HubServer, running_hub


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A Hub of the test's own."""
    with running_hub() as server:
        yield server
