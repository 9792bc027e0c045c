"""Tests of agents run on one thread: their networks are tiny, and other tests run beside them."""

import pytest

torch = pytest.importorskip("torch", reason="agents need the extra `agents`")
torch.set_num_threads(1)
