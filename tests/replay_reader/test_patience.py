"""How long a reader waits for the Hub: where it may help, and no longer."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.replay_reader import patience
from atari_dqn_replay.replay_reader.patience import patiently


def test_a_file_that_stays_damaged_is_read_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is damaged, pyarrow raises plain OSErrors; a network's are tried for two minutes."""
    monkeypatch.setattr(patience, "DAMAGE_WAITS", (0.0, 0.0, 0.0))
    file = io.BytesIO()
    pq.write_table(pa.table({"step": range(1000)}), file, write_page_checksum=True)
    damaged = bytearray(file.getvalue())
    damaged[200] ^= 1
    readings = []

    def read() -> pa.Table:
        readings.append(len(readings))
        return pq.ParquetFile(io.BytesIO(damaged), page_checksum_verification=True).read()

    with pytest.raises(OSError, match="checksum verification failed"):
        patiently(read)
    assert len(readings) == 4


def test_a_network_that_is_away_for_a_while_is_waited_for() -> None:
    failures = [ConnectionResetError(104, "reset"), TimeoutError()]

    def ask() -> str:
        if failures:
            raise failures.pop()
        return "answered"

    assert patiently(ask) == "answered"
