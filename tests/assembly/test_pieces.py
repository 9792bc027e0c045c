"""What those rely on who build checkpoints apart, in any order and on many machines."""

import random
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.assembly.joining import join
from atari_dqn_replay.builder.assembly.pieces import BODY, Piece, write_head, write_piece
from atari_dqn_replay.builder.assembly.schedule import parts_of
from atari_dqn_replay.builder.errors import ReplayLogError
from atari_dqn_replay.builder.format.features import episodes_features, steps_features
from atari_dqn_replay.builder.repos.built_folder import BuiltCheckpoint
from atari_dqn_replay.builder.shards.steps import EpisodeRows, episode_columns, steps_tables
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.sources.run import Checkpoint, Run
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import Played, write_log

LENGTHS = st.lists(st.sampled_from([1, 2, 3, 5, 9, 14, 37]), min_size=1, max_size=6)


def open_run(log: Played) -> Run:
    return open_source(str(log.root)).open_run(log.game, log.run)


def make_pieces(log: Played, folder: Path, tasks: list[list[int]]) -> dict[int, Piece]:
    """Each task on a reader of its own, as workers on different machines do it."""
    pieces = {}
    for task in tasks:
        reader = open_run(log).reader()
        for number in task:
            place = folder / str(number)
            place.mkdir()
            piece = write_piece(reader.part(number), place, "here")
            pieces[number] = Piece.from_json(piece.to_json().encode())
        reader.close()
    return pieces


def join_one(number: int, pieces: dict[int, Piece], folder: Path) -> BuiltCheckpoint:
    needed, missing = parts_of(number, pieces.get)
    assert missing is None
    return join(
        needed,
        lambda piece, name: (folder / str(piece.manifest.checkpoint) / name).read_bytes(),
        folder / f"joined-{number}",
    )


def tables(built: BuiltCheckpoint, folder: Path) -> tuple[pa.Table, pa.Table]:
    """Steps and episodes of a joined checkpoint."""
    files = [
        pq.read_table(folder / str(built.manifest.checkpoint) / BODY if file.content is None else file.open())
        for file in built.data
    ]
    return pa.concat_tables(files[:-1]), files[-1]


def read_in_order(checkpoint: Checkpoint) -> tuple[pa.Table, pa.Table]:
    """The same of a checkpoint that is read in one go, on into the files of those after it."""
    game, rows = checkpoint.run.game, EpisodeRows(checkpoint.id)
    blocks = []
    for episode in checkpoint.episodes():
        rows.add(episode)
        blocks += list(episode_columns(episode))
    schema = steps_features(game).arrow_schema
    steps = list(steps_tables(blocks, schema))
    return pa.Table.from_batches(
        [batch for table in steps for batch in table.to_batches()], schema
    ), rows.table(episodes_features().arrow_schema)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    lengths=LENGTHS,
    capacity=st.sampled_from([8, 12, 20, 40]),
    in_mid_episode=st.booleans(),
    finish=st.booleans(),
    black=st.sampled_from([0, 0, 2]),
    order=st.randoms(use_true_random=False),
    lost=st.floats(0, 1),
)
def test_pieces_joined_are_what_reading_in_order_gives(
    lengths: list[int],
    capacity: int,
    in_mid_episode: bool,
    finish: bool,
    black: int,
    order: random.Random,
    lost: float,
) -> None:
    """Episodes over several checkpoints, missing files, final dumps: whatever the order of the work."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        log = write_log(
            folder / "logs",
            lengths,
            capacity=capacity,
            in_mid_episode=in_mid_episode,
            finish=finish,
            black=black,
        )
        if len(log.files) > 2 and lost < 0.3:
            missing = order.choice(log.files[:-1])
            for path in log.folder.glob(f"*_ckpt.{missing}.gz"):
                path.unlink()
        elif not log.files:
            return
        run = open_run(log)
        tasks = run.tasks(run.checkpoints)
        order.shuffle(tasks)
        pieces = make_pieces(log, folder, tasks)
        reader = run.reader()
        for number in run.checkpoints:
            built = join_one(number, pieces, folder)
            checkpoint = reader.checkpoint(number)
            expected = read_in_order(checkpoint)
            for table, wanted in zip(tables(built, folder), expected, strict=True):
                assert table.equals(wanted)
            assert built.manifest.row_counts == checkpoint.row_counts
            assert built.manifest.step_counts == checkpoint.step_counts
            assert built.manifest.sources == checkpoint.sources()
        reader.close()


def test_no_more_is_read_than_the_checkpoints_own_frames(tmp_path: Path) -> None:
    """The files of frames of all other checkpoints may even be damaged."""
    log = write_log(tmp_path / "logs", [30, 30, 30, 30], capacity=40)
    run = open_run(log)
    reader = run.reader()
    for number in (0, 2):
        frames = log.folder / f"$store$_observation_ckpt.{number}.gz"
        frames.write_bytes(frames.read_bytes()[:-100])
    (tmp_path / "1").mkdir()
    piece = write_piece(reader.part(1), tmp_path / "1", "here")
    reader.close()
    assert piece.head is not None
    assert piece.tail is not None
    assert {source.path.split("_ckpt")[1] for source in piece.manifest.sources} == {".1.gz"}


def test_a_head_alone_completes_the_checkpoint_before_it(tmp_path: Path) -> None:
    log = write_log(tmp_path / "logs", [30, 30, 30, 30], capacity=40)
    pieces = make_pieces(log, tmp_path, [[0], [1], [2]])
    whole = join_one(1, pieces, tmp_path).manifest
    reader = open_run(log).reader()
    (tmp_path / "alone").mkdir()
    pieces[2] = write_head(reader.part(2), tmp_path / "alone")
    reader.close()
    (tmp_path / "2").rename(tmp_path / "made")
    (tmp_path / "alone").rename(tmp_path / "2")
    (tmp_path / "joined-1").rename(tmp_path / "joined")
    assert join_one(1, pieces, tmp_path).manifest == whole


def test_a_head_that_is_read_beside_another_piece_is_the_same(tmp_path: Path) -> None:
    log = write_log(tmp_path / "logs", [30, 30, 30, 30], capacity=40)
    expected = make_pieces(log, tmp_path, [[1]])[1]
    for name in ("beside", "alone", "head"):
        (tmp_path / name).mkdir()
    reader = open_run(log).reader()
    alone = write_head(reader.part(2), tmp_path / "alone")
    reader.begin_head(2)
    assert write_piece(reader.part(1), tmp_path / "beside", "here").files == expected.files
    assert write_head(reader.part(2), tmp_path / "head") == alone
    reader.close()


def test_damage_to_a_head_is_reported_when_its_turn_comes(tmp_path: Path) -> None:
    log = write_log(tmp_path / "logs", [30, 30, 30, 30], capacity=40)
    frames = log.folder / "$store$_observation_ckpt.2.gz"
    reader = open_run(log).reader()
    reader.part(2)  # so that what follows is found while frames are read
    frames.write_bytes(frames.read_bytes()[:-10])
    reader.begin_head(2)
    (tmp_path / "1").mkdir()
    assert write_piece(reader.part(1), tmp_path / "1", "here").manifest.checkpoint == 1
    with pytest.raises(ReplayLogError, match=r"observation_ckpt\.2\.gz: is cut short"):
        write_head(reader.part(2), tmp_path)
    reader.begin_head(2)
    reader.close()  # although the damage was never asked for


def test_what_is_still_missing_is_waited_for(tmp_path: Path) -> None:
    """An episode that goes on through all of checkpoint 1 needs the piece of checkpoint 2."""
    log = write_log(tmp_path / "logs", [10, 90, 30], capacity=40)
    pieces = make_pieces(log, tmp_path, [[0], [1], [2]])
    wanted, missing = parts_of(0, pieces.get)
    assert missing is None
    assert [piece.manifest.checkpoint for piece in wanted] == [0, 1, 2]
    assert parts_of(0, {0: pieces[0], 1: pieces[1]}.get) == ([pieces[0], pieces[1]], 2)
