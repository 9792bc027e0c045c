"""`--compression fast` makes other files of the very same rows, and says so in the manifest."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.assembly.job import Place
from atari_dqn_replay.builder.assembly.pieces import write_piece
from atari_dqn_replay.builder.assembly.plan import Plan, make_plan
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.format.compression import COMPRESSIONS, FAST, SMALL
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.manifest import Manifest
from atari_dqn_replay.builder.shards.parquet import compression
from atari_dqn_replay.builder.sources.open import open_source
from command import run
from paths import THREE_LAPS

BREAKOUT = find_game("breakout")


def plan(out: Path, compression: str) -> Plan:
    return plan_build(open_source(str(THREE_LAPS)), [BREAKOUT], out, checkpoints=[0], compression=compression)


def build_folder(out: Path, compression: str) -> Manifest:
    (manifest,) = build(plan(out, compression), out).manifests
    return manifest


def test_fast_gives_the_same_rows_in_other_bytes(tmp_path: Path) -> None:
    small, fast = (build_folder(tmp_path / name, name) for name in COMPRESSIONS)
    assert len(small.shards) == len(fast.shards) == 2
    for one, other in zip(small.shards, fast.shards, strict=True):
        assert one.digests == other.digests
        assert one.sha256 != other.sha256
        first, second = (pq.read_table(tmp_path / name / one.path) for name in COMPRESSIONS)
        assert first.equals(second)
    assert (small.compression, fast.compression) == (SMALL, FAST)


def test_the_manifest_names_only_what_is_not_usual(tmp_path: Path) -> None:
    small, fast = (json.loads(build_folder(tmp_path / name, name).to_json()) for name in COMPRESSIONS)
    assert "compression" not in small
    assert fast["compression"] == FAST
    assert Manifest.from_json(json.dumps(fast), "here").compression == FAST
    with pytest.raises(OutputError, match="here: not a manifest"):
        Manifest.from_json(json.dumps({**fast, "compression": "tiny"}), "here")


def test_a_finished_checkpoint_stays_as_it_is(tmp_path: Path) -> None:
    before = build_folder(tmp_path, FAST)
    assert plan(tmp_path, SMALL).to_build == []
    assert build_folder(tmp_path, SMALL) == before


def test_unfinished_work_of_another_compression_is_made_anew(tmp_path: Path) -> None:
    begun = plan(tmp_path / "out", SMALL)
    (checkpoint,) = begun.to_build
    place = tmp_path / "piece"
    place.mkdir()
    reader = begun.run_of(checkpoint).reader()
    piece = write_piece(reader.part(0), place, begun.destinations[BREAKOUT].address)
    reader.close()
    begun.work.put_piece(piece, place)
    assert plan(tmp_path / "out", FAST).to_build == [checkpoint]
    source = open_source(str(THREE_LAPS))
    looked_at = make_plan(source, [BREAKOUT], Place(folder=str(tmp_path / "out")), checkpoints=[0])
    assert looked_at.prepared == [checkpoint]
    at_all = make_plan(source, [BREAKOUT], Place(folder=str(tmp_path / "out")), compression=None)
    assert checkpoint in at_all.prepared
    assert build_folder(tmp_path / "out", FAST).shards == build_folder(tmp_path / "apart", FAST).shards


def test_every_name_has_its_parameters() -> None:
    assert tuple(compression.COMPRESSIONS) == COMPRESSIONS


@pytest.mark.slow
def test_the_command_takes_the_name(tmp_path: Path) -> None:
    """Published straight from the logs and built are the same, as with the usual compression."""
    given = ("breakout", "--source", THREE_LAPS, "--checkpoints", "0", "--compression", "fast")
    built = run("build", *given, "--out", tmp_path / "built")
    assert built.returncode == 0, built.stderr
    published = run("publish", *given, "--to", tmp_path / "published")
    assert published.returncode == 0, published.stderr
    name = "manifests/breakout/run_1/checkpoint_00.json"
    manifest = (tmp_path / "built" / name).read_text()
    assert manifest == (tmp_path / "published" / name).read_text()
    assert json.loads(manifest)["compression"] == "fast"
    assert run("verify", tmp_path / "built", "--source", THREE_LAPS).returncode == 0
    refused = run("publish", tmp_path / "built", "--to", tmp_path / "x", "--compression", "fast")
    assert refused.returncode == 2
    assert "--source" in refused.stderr
