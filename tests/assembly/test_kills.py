"""A publication that is killed at a random instant goes on, and readers never see a broken dataset.

A few kills of the many that `python tests/support/kills.py` can do.
"""

import pytest
from hub_server import HubServer
from kills import check_commits, run_trials

pytestmark = pytest.mark.slow


def test_killed_at_random_instants() -> None:
    run_trials(2, on_hub=False, seed=0)


def test_killed_at_random_instants_on_the_way_to_the_hub(hub: HubServer) -> None:
    with hub.of_this_process():
        run_trials(2, on_hub=True, seed=0)
    assert check_commits(hub) > 4
