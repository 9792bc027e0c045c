"""What `verify` proves of a dataset, and what it says of one that is damaged in a single place."""

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import crafting
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.repos.hub_destination import HubDestination
from atari_dqn_replay.builder.repos.hub_reader import HubReader
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.verification.report import Verification
from atari_dqn_replay.builder.verification.verify import verify
from crafting import edit_card, render_card, rewrite, with_pixel, with_value
from hub_server import HubServer, Request, Response
from logs import write_log

pytestmark = pytest.mark.slow

LENGTHS = (20, 25, 30, 70, 250, 60, 33, 80)
"""Of the episodes of a log with 100 rows in each of its 6 checkpoints. The first has three whole episodes and
one that goes on; two lie within an episode that began before them; the last is partial."""
FIRST = "data/pong/run_1/checkpoint_00"
WHOLE = f"{FIRST}/steps-00000-of-00002.parquet"
GOES_ON = f"{FIRST}/steps-00001-of-00002.parquet"
TABLE = "episodes/pong/run_1/checkpoint_00.parquet"
MANIFEST = "manifests/pong/run_1/checkpoint_00.json"
REDO = f"remove {FIRST} and publish this checkpoint again"
BY = "by the episodes and rewards"
CARD = "publish pong again: that writes its part of the card anew"
OTHERWISE = "or verify it against the source that it was made from"
AGAIN = f"{REDO} from this source, {OTHERWISE}"


def build_from(logs: Path, out: Path, **options: Any) -> Path:
    source = open_source(str(logs))
    build(plan_build(source, source.games(), out, **options), out)
    return out


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of Pong; not to be changed."""
    root = tmp_path_factory.mktemp("logs")
    write_log(root, LENGTHS, capacity=100)
    return root


@pytest.fixture(scope="module")
def built(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset that is made of it; not to be changed."""
    return build_from(logs, tmp_path_factory.mktemp("built"))


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(built, tmp_path / "dataset"))


def verified(folder: Path, logs: Path | None = None, **options: Any) -> Verification:
    source = None if logs is None else open_source(str(logs))
    return verify(FolderReader(folder), source=source, **options)


def differences(folder: Path, logs: Path | None = None, **options: Any) -> list[str]:
    """What is told of a damaged dataset."""
    verification = verified(folder, logs, **options)
    assert verification.ok == (not verification.differences)
    return [str(difference) for difference in verification.differences]


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object], path: str = MANIFEST) -> None:
    crafting.edit_manifest(folder, path, change)


# A dataset that is right.


def test_tells_what_was_checked(built: Path, logs: Path) -> None:
    table = (
        "game  runs  checkpoints  episodes  steps  files   MB  configs\n"
        "----  ----  -----------  --------  -----  -----  ---  -------\n"
        "Pong     1            6         8    568     20  0.1        4\n"
    )
    for source, quick, depth in (
        (logs, False, f"every row, also with {logs}"),
        (logs, True, f"every file's SHA-256, and the sizes of the files of {logs}, but no rows"),
        (None, False, "every row"),
        (None, True, "every file's SHA-256, but no rows"),
    ):
        verification = verified(built, source, quick=quick)
        assert str(verification) == f"{table}all is right: {built} ({depth})"
        assert verification.ok and not verification.differences


def test_a_part_of_a_source_is_right(logs: Path, tmp_path: Path) -> None:
    folder = build_from(logs, tmp_path / "part", checkpoints=[0, 1, 4])
    verification = verified(folder, logs)
    assert verification.ok
    assert verification.notes == ["not published yet: Pong run 1, checkpoints 2-3, 5"]


def test_several_games_and_runs_can_be_checked_one_by_one(tmp_path: Path) -> None:
    write_log(tmp_path / "logs", (60, 70), capacity=100)
    write_log(tmp_path / "logs", (30, 90, 20), capacity=50, run=3, seed=1, in_mid_episode=True)
    write_log(tmp_path / "logs", (50, 70, 90), capacity=60, game="MsPacman", delete=(1,))
    folder = build_from(tmp_path / "logs", tmp_path / "dataset")
    verification = verified(folder, tmp_path / "logs")
    assert [each.row[:2] for each in verification.checked] == [("MsPacman", 1), ("Pong", 2)]
    assert verification.ok
    (folder / "data/ms-pacman/run_1/checkpoint_00/more.txt").write_text("")
    pong = verified(folder, tmp_path / "logs", games=[find_game("pong")])
    assert (pong.ok, pong.notes) == (True, ["not looked at: the source's games MsPacman"])
    assert not verified(folder).ok
    with pytest.raises(OutputError, match=r"dataset: holds nothing of Qbert; leave it out$"):
        verified(folder, games=[find_game("qbert")])


def test_people_may_keep_their_own_files_and_configs(folder: Path) -> None:
    for path in ("LICENSE", "images/a.png", ".git/HEAD", "data/.DS_Store"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("")
    pq.write_table(pa.table({"a": [1]}), folder / "mine.parquet")
    edit_card(folder, "configs:\n", "configs:\n- config_name: mine\n  data_files: mine.parquet\n")
    verification = verified(folder)
    assert verification.ok, verification
    assert verification.notes == ["not of the dataset: LICENSE, images/, mine.parquet"]
    (folder / "mine.parquet").write_bytes(b"no Parquet")
    (difference,) = differences(folder)
    assert difference.startswith("README.md (mine): load_dataset fails (")
    assert difference.endswith("mend or remove what its author has written")


def test_nothing_to_verify_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"none: no such folder; name one that `publish` or `build`"):
        verified(tmp_path / "none")
    (tmp_path / "README.md").write_text("A project.")
    with pytest.raises(
        OutputError, match=r": holds no dataset; expected README.md beside the folders data, episodes and "
    ):
        verified(tmp_path)


# Files that are not what their manifest says.


def test_a_changed_pixel_shows_in_the_digest_alone(folder: Path, logs: Path) -> None:
    rewrite(folder, WHOLE, with_pixel)
    told = f"{WHOLE}: found other values of observation than those that were written; {REDO}"
    assert differences(folder) == [told]
    # With a manifest that vouches for the changed frame, only the source can tell.
    rewrite(folder, WHOLE, lambda table: table, digests=True)
    assert differences(folder) == []
    assert f"{WHOLE}: observation differ from the source, first here; {AGAIN}" in differences(folder, logs)


def test_a_flipped_bit_shows_in_the_sha256(folder: Path) -> None:
    content = bytearray((folder / WHOLE).read_bytes())
    expected = hashlib.sha256(content).hexdigest()
    content[200] ^= 4  # among the frames
    (folder / WHOLE).write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    damage = "could not verify page integrity, CRC checksum verification failed for page_ordinal 0"
    assert differences(folder) == [
        f"{WHOLE}: found SHA-256 {found}, expected {expected}; {REDO}",
        f"{WHOLE}: cannot be read ({damage}); {REDO}",
    ]


def test_two_episodes_that_changed_places(folder: Path) -> None:
    order = [*range(20, 45), *range(20), *range(45, 75)]
    rewrite(folder, WHOLE, lambda table: table.take(order))
    columns = "observation, action, reward, terminated, return_to_go, episode, step"
    assert differences(folder) == [
        f"{WHOLE}: found other values of {columns} than those that were written; {REDO}",
        f"{WHOLE}: row 0: found episode 1, expected 0 {BY} (in 40 rows); {REDO}",
        f"{WHOLE}: row 20: found step 20, expected 0 {BY} (in 25 rows); {REDO}",
        f"{WHOLE}: row 19: found terminated False, expected True {BY} (in 2 rows); {REDO}",
        f"{WHOLE}: row 0: found return_to_go 2.0, expected 1.0 {BY} (in 20 rows); {REDO}",
        f"{TABLE}: episode 0: found return 0.0, expected 1.0 by the steps (in 2 episodes); {REDO}",
    ]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("terminated", True, False),
        ("truncated", True, False),
        ("return_to_go", 99.0, 2.0),
        ("checkpoint", 3, 0),
        ("episode", 7, 2),
        ("step", 0, 5),
    ],
)
def test_a_wrong_value_shows_even_if_the_manifest_vouches_for_it(
    folder: Path, column: str, value: object, expected: object
) -> None:
    rewrite(folder, WHOLE, with_value(column, 50, value), digests=True)
    assert differences(folder) == [
        f"{WHOLE}: row 50: found {column} {value}, expected {expected} {BY} (in 1 row); {REDO}"
    ]


def test_a_wrong_reward_shows_in_all_sums(folder: Path) -> None:
    rewrite(folder, WHOLE, with_value("reward", 50, 5.0), digests=True)
    assert differences(folder) == [
        f"{WHOLE}: row 45: found return_to_go 4.0, expected 9.0 {BY} (in 6 rows); {REDO}",
        f"{TABLE}: episode 2: found return 4.0, expected 9.0 by the steps (in 1 episode); {REDO}",
        f"{MANIFEST}: found mean return -0.75, expected 0.5 by the episodes table; {REDO}",
        f"{MANIFEST}: found maximum return 4.0, expected 9.0 by the episodes table; {REDO}",
    ]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("game", "Breakout", "Pong"),
        ("run", 2, 1),
        ("checkpoint", 4, 0),
        ("episode", 9, 1),
        ("return", 17.0, 2.0),
        ("file", GOES_ON, WHOLE),
        ("first_row", 21, 20),
    ],
)
def test_a_wrong_value_in_the_episodes_table(
    folder: Path, column: str, value: object, expected: object
) -> None:
    rewrite(folder, TABLE, with_value(column, 1, value))
    assert differences(folder) == [
        f"{TABLE}: episode 1: found {column} {value}, expected {expected} by the steps (in 1 episode); {REDO}"
    ]


def test_wrong_ends_in_the_episodes_table(folder: Path) -> None:
    rewrite(folder, TABLE, with_value("terminated", 1, False))
    assert differences(folder) == [
        f"{WHOLE}: row 44: found terminated True, expected False {BY} (in 1 row); {REDO}",
        f"{TABLE}: episode 1: found complete True, expected False by the steps (in 1 episode); {REDO}",
    ]


def test_an_episode_that_is_said_to_be_cut(folder: Path) -> None:
    rewrite(folder, TABLE, with_value("complete", 1, False))
    assert differences(folder) == [
        f"{MANIFEST}: found complete_episodes 4, expected 3 by the episodes table; {REDO}",
        f"{MANIFEST}: found mean return -0.75, expected -1.6666666666666667 by the episodes table; {REDO}",
    ]


def test_rows_that_are_missing(folder: Path) -> None:
    rewrite(folder, WHOLE, lambda table: table.slice(0, 74), digests=True)
    counts = "its counts do not agree: rows of the shards together: found 144, expected 145"
    assert differences(folder) == [
        f"{MANIFEST}: {counts}; {REDO}",
        f"{TABLE}: found lengths of 145 steps together, expected 144; {REDO}",
    ]


def test_an_episode_in_two_shards(folder: Path) -> None:
    whole, goes_on = (pq.read_table(folder / path) for path in (WHOLE, GOES_ON))
    rewrite(folder, WHOLE, lambda table: pa.concat_tables([table, goes_on.slice(0, 5)]), digests=True)
    rewrite(folder, GOES_ON, lambda table: table.slice(5), digests=True)
    assert differences(folder) == [f"{TABLE}: episode 3 lies in two shards, expected one; {REDO}"]
    assert len(whole) == 75


@pytest.mark.parametrize(
    ("path", "change", "damage"),
    [
        (WHOLE, with_value("reward", 3, None), "reward has rows without a value"),
        (WHOLE, with_value("observation", 3, None), "the column of observations has rows without an image"),
        (
            WHOLE,
            with_value("observation", 3, {"bytes": b"GIF", "path": None}),
            "an observation is not an image that can be read (cannot identify image file",
        ),
        (WHOLE, lambda table: table.drop(["step"]), "found the columns observation, action, reward, termin"),
        (
            WHOLE,
            lambda table: table.replace_schema_metadata(None),
            "found observation as {'bytes': Value('binary'), 'path': Value('string')}, expected Image(",
        ),
        (
            TABLE,
            lambda table: table.drop(["file"]),
            "found the columns game, run, checkpoint, episode",
        ),
    ],
)
def test_a_table_of_another_kind(
    folder: Path, path: str, change: Callable[[pa.Table], pa.Table], damage: str
) -> None:
    rewrite(folder, path, change)
    told = [each for each in differences(folder) if not each.startswith("README.md")]
    assert len(told) == 1
    assert told[0].startswith(f"{path}: cannot be read ({damage}") and told[0].endswith(REDO)


def test_episodes_without_values(folder: Path) -> None:
    rewrite(folder, TABLE, with_value("length", 1, None))
    assert differences(folder) == [f"{TABLE}: length has rows without a value; {REDO}"]


@pytest.mark.parametrize("quick", [False, True])
def test_missing_files(folder: Path, quick: bool) -> None:
    (folder / WHOLE).unlink()
    (folder / TABLE).unlink()
    assert differences(folder, quick=quick) == [
        f"{WHOLE}: missing, though its manifest names it; {REDO}",
        f"{TABLE}: missing, though its manifest names it; {REDO}",
    ]


def test_a_file_that_is_cut_short(folder: Path) -> None:
    content = (folder / WHOLE).read_bytes()
    (folder / WHOLE).write_bytes(content[:-10])
    size = f"{WHOLE}: found {len(content) - 10:,} bytes, expected {len(content):,}; {REDO}"
    footer = (
        "Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file."
    )
    failure = f"ArrowInvalid: Could not open Parquet input source '<Buffer>': {footer}"
    assert differences(folder) == [
        size,
        f"README.md (pong-full, pong-mixed): load_dataset fails ({failure}); mend what else differs, then "
        f"publish pong again",
        f"{WHOLE}: cannot be read ({footer}); {REDO}",
    ]
    assert differences(folder, quick=True) == [size]


# Manifests.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda record: record["row_counts"].update(padding="x"),
            "not a manifest (row_counts.padding: Expected `int`, got `str`)",
        ),
        (
            lambda record: record["shards"][0].update(rows=True),
            "not a manifest (shards[0].rows: Expected `int`, got `bool`)",
        ),
        (
            lambda record: record.update(shards=[]),
            "not a manifest (shards: expected at least one, ",
        ),
        (
            lambda record: record["shards"][1].update(digests=None),
            "not a manifest (shards[1].digests: Expected `object`, got `null`)",
        ),
        (
            lambda record: record.pop("returns"),
            "not a manifest (Object missing required field `returns`); remove it and publish",
        ),
        (lambda record: record.update(format=1), "a manifest of format 1, expected 2 to 3; remove it and"),
        (lambda record: record.update(format=4), "a manifest of format 4, and this atari-dqn-replay knows "),
        (lambda record: record.update(game=7), "not a manifest (game: Expected `str`, got `int`)"),
        (lambda record: record.update(game="chess"), "not a manifest (unknown game 'chess'"),
        (lambda record: record.update(mood="good"), "not a manifest (Object contains unknown field `mood`)"),
        (
            lambda record: record["provenance"].update(details=[1]),
            "not a manifest (provenance.details: Expected `object`, got `array`)",
        ),
        (
            lambda record: record["returns"].update(mean=float("nan")),
            "not a manifest (JSON is malformed",
        ),
        (
            lambda record: record["step_counts"].update(steps=-1),
            "not a manifest (step_counts.steps: Expected `int` >= 0)",
        ),
        (
            lambda record: record["episodes_table"].update(sha256="../secret"),
            "not a manifest (episodes_table.sha256: Expected `str` matching regex",
        ),
        (
            lambda record: record.update(checkpoint=3),
            "names files that do not belong to this checkpoint; remove",
        ),
        (lambda record: record.clear(), "not a manifest (found no number of a format, expected 2 to 3); "),
    ],
)
def test_a_damaged_manifest_is_told_of_once(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit_manifest(folder, change)
    (told,) = differences(folder)
    assert told.startswith(f"{MANIFEST}: {message}")


def test_counts_that_do_not_agree(folder: Path) -> None:
    edit_manifest(folder, lambda record: record["row_counts"].update(padding=11))
    edit_manifest(folder, lambda record: record["step_counts"].update(episodes=5, continued_from_earlier=1))
    render_card(folder)
    disagree = "its counts do not agree"
    assert differences(folder, quick=True) == [
        f"{MANIFEST}: {disagree}: rows_read: found 100, expected 99; {REDO}",
        f"{MANIFEST}: {disagree}: steps: found 145, expected 144; {REDO}",
        f"{MANIFEST}: {disagree}: rows of the episodes table: found 4, expected 5; {REDO}",
    ]


def test_what_a_checkpoint_gives_to_its_neighbours(folder: Path) -> None:
    third = "manifests/pong/run_1/checkpoint_02.json"
    edit_manifest(folder, lambda record: record["step_counts"].update(continued_from_earlier=90), third)
    edit_manifest(folder, lambda record: record["row_counts"].update(transitions=90, padding=10), third)
    render_card(folder)
    # The episode of 250 steps began in checkpoint 1, and goes through 2 and 3 into 4.
    assert differences(folder) == [
        "manifests/pong/run_1/checkpoint_01.json: does not fit the checkpoints after it: found 211 steps "
        "continued in later files, expected 201 by their own counts; remove data/pong/run_1/checkpoint_01, "
        "data/pong/run_1/checkpoint_02, data/pong/run_1/checkpoint_03, data/pong/run_1/checkpoint_04 and "
        "publish these checkpoints again from one log"
    ]


def test_a_checkpoint_of_another_log(logs: Path, folder: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "logs", (35, *LENGTHS), capacity=100, seed=9)
    other = build_from(tmp_path / "logs", tmp_path / "other")
    for path in (
        "data/pong/run_1/checkpoint_01",
        "episodes/pong/run_1/checkpoint_01.parquet",
        "manifests/pong/run_1/checkpoint_01.json",
    ):
        if (folder / path).is_dir():
            shutil.rmtree(folder / path)
            shutil.copytree(other / path, folder / path)
        else:
            shutil.copy(other / path, folder / path)
    render_card(folder)
    told = differences(folder)
    second = "manifests/pong/run_1/checkpoint_01.json"
    source = "Pong/1/replay_logs/$store$_observation_ckpt.1.gz"
    assert any(
        each.startswith(f"{second}: was made from another {source} than checkpoint 0") for each in told
    )
    assert any(
        each.startswith(f"{MANIFEST}: does not fit the checkpoints after it: found 58") for each in told
    )
    assert all(each.endswith("from one log") for each in told)


def test_logs_that_differ_in_what_they_say(folder: Path) -> None:
    edit_manifest(folder, lambda record: record.update(capacity=7))
    edit_manifest(folder, lambda record: record["provenance"]["details"].update(seed=3))
    assert differences(folder, quick=True)[0] == (
        f"{MANIFEST}: is of another log than checkpoint 1 (found capacity 7 instead of 100, seed 3 instead "
        f"of None); publish the run again from one log"
    )


def test_neighbours_and_ends_of_a_log(folder: Path) -> None:
    edit_manifest(folder, lambda record: record.update(later=2, last_complete=True))
    render_card(folder)
    assert differences(folder, quick=True)[:2] == [
        f"{MANIFEST}: says that it is the last complete checkpoint, but there is checkpoint 4; publish this "
        f"checkpoint again",
        "manifests/pong/run_1/checkpoint_01.json: does not fit checkpoint 0: found that the log had "
        "checkpoint 0 before it, and after checkpoint 0 checkpoint 2; publish both again from the log as it "
        "is now",
    ]


# The card.


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "num_examples: 568",
            "num_examples: 569",
            f"README.md (pong-full): found num_examples of run_1 569, expected 568; {CARD}",
        ),
        (
            "num_examples: 8}\n",
            "num_examples: 7}\n",
            f"README.md (pong-episodes): found num_examples of run_1 7, expected 8; {CARD}",
        ),
        (
            "'1': FIRE",
            "'1': SHOOT",
            f"README.md (pong-mixed): found other features than those of the files; {CARD}",
        ),
        (
            "checkpoint_00/*.parquet",
            "checkpoint_01/*.parquet",
            f"README.md (pong-mixed): split run_1 does not show {WHOLE}, {GOES_ON}; {CARD}",
        ),
        (
            "config_name: pong-mixed",
            "config_name: qbert-mixed",
            f"README.md (pong-mixed): found no such config, expected one with run_1; {CARD}",
        ),
        (
            "data_dir: data/pong\n  data_files:\n  - split: run_1",
            "data_dir: data/pong\n  data_files:\n  - split: run_2",
            f"README.md (pong-mixed): found no split run_1, expected one with {WHOLE}, {GOES_ON}; {CARD}",
        ),
    ],
)
def test_a_card_that_tells_something_else(folder: Path, old: str, new: str, message: str) -> None:
    edit_card(folder, old, new)
    assert message in differences(folder, quick=True)


def test_a_config_without_files(folder: Path) -> None:
    edit_card(folder, "checkpoint_00/*.parquet", "checkpoint_07/*.parquet")
    shards = [f"data/pong/run_1/checkpoint_00/steps-0000{shard}-of-00002.parquet" for shard in (0, 1)]
    assert differences(folder) == [
        f"README.md (pong-mixed): found no split run_1, expected one with {', '.join(shards)}; publish pong "
        "again: that writes its part of the card anew",
        "README.md (pong-mixed): load_dataset fails (ValueError: split run_1 has no rows); mend what else "
        "differs, then publish pong again",
    ]


def test_a_checkpoint_that_the_card_does_not_tell_of(logs: Path, tmp_path: Path) -> None:
    folder = build_from(logs, tmp_path / "dataset", checkpoints=[0, 1])
    card = (folder / "README.md").read_bytes()
    build_from(logs, folder, checkpoints=[0, 1, 4])
    (folder / "README.md").write_bytes(card)
    file = "data/pong/run_1/checkpoint_04/steps-00000-of-00002.parquet"
    told = differences(folder, quick=True)
    assert any(f"(pong-full): split run_1 does not show {file}" in each for each in told)
    render_card(folder)
    assert differences(folder, quick=True) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda card: card.unlink(), "missing; publish again: that writes the card"),
        (lambda card: card.write_bytes(b"\xff"), "its README.md is not UTF-8 text; fix it first"),
        (
            lambda card: card.write_text("---\nconfigs: [\n---\n"),
            "its YAML cannot be read; fix it first (while parsing a flow node did not find expected node "
            'content in "<unicode string>", line 2, column 1)',
        ),
        (
            lambda card: card.write_text(card.read_text().replace("<!-- /generated:game:pong -->", "")),
            "the mark <!-- generated:game:pong --> has no matching mark; restore it first",
        ),
    ],
)
def test_a_card_that_cannot_be_read(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder / "README.md")
    assert differences(folder) == [f"README.md: {message}"]


def test_text_that_is_out_of_date_is_noted(folder: Path) -> None:
    edit_card(folder, "568 steps", "569 steps")
    verification = verified(folder, quick=True)
    assert verification.ok
    assert verification.notes == [
        "what the card shows of Pong, or the page of this game, is not what this version writes; publish "
        "pong again to have it written anew"
    ]


# Stray files.


def test_files_that_no_manifest_knows(folder: Path) -> None:
    (folder / FIRST / "notes.txt").write_text("")
    (folder / "episodes/pong/run_1/checkpoint_07.parquet").write_bytes(b"")
    shutil.copytree(folder / FIRST, folder / "data/pong/run_1/.checkpoint_07.incomplete")
    shutil.copytree(folder / FIRST, folder / "data/pong/run_1/checkpoint_07")
    (folder / "README.md.incomplete").write_text("")
    (folder / ".uploads.incomplete").mkdir()
    (folder / ".uploads.incomplete/part").write_text("")
    left = "left by a build or publication that was stopped; run it to its end, or remove it"
    told = differences(folder, quick=True)
    assert [each for each in told if not each.startswith("README.md (")] == [
        f".uploads.incomplete: {left}",
        f"README.md.incomplete: {left}",
        f"data/pong/run_1/.checkpoint_07.incomplete: {left}",
        f"{FIRST}/notes.txt: found a file that no manifest names; remove it",
        "episodes/pong/run_1/checkpoint_07.parquet: found a file that no manifest names; remove it",
        "data/pong/run_1/checkpoint_07: found notes.txt, steps-00000-of-00002.parquet, "
        "steps-00001-of-00002.parquet without a manifest; publish this checkpoint again, or remove it",
    ]


def test_a_checkpoint_that_lost_its_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    assert [each.partition(":")[0] for each in differences(folder)] == [
        TABLE,
        FIRST,
        "README.md (pong-full)",
        "README.md (pong-mixed)",
        "README.md (pong-episodes)",
    ]


# The source.


def test_another_source(built: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "logs", LENGTHS, capacity=100, seed=5)
    told = differences(built, tmp_path / "logs")
    assert (
        f"{WHOLE}: observation, action, reward, return_to_go differ from the source, first here; {AGAIN}"
        in told
    )
    assert f"{TABLE}: return differ from the source; {AGAIN}" in told
    made_from = "was made from another Pong/1/replay_logs/$store$_observation_ckpt.0.gz: found SHA-256"
    assert any(each.startswith(f"{MANIFEST}: {made_from}") for each in told)
    # The sizes of the files tell without reading them.
    quick = differences(built, tmp_path / "logs", quick=True)
    made_from = "was made from Pong/1/replay_logs/$store$_observation_ckpt.0.gz of "
    assert any(each.startswith(f"{MANIFEST}: {made_from}") and each.endswith(AGAIN) for each in quick)


def test_a_source_with_other_episodes(built: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "logs", (25, 20, 30, 69, 251, 60, 33, 80), capacity=100)
    told = differences(built, tmp_path / "logs")
    assert (f"{MANIFEST}: found shards of 75 + 70 steps, but the source gives 75 + 69; {AGAIN}") in told
    assert any(each.startswith(f"{MANIFEST}: step counts: found StepCounts(steps=145") for each in told)


def test_a_source_that_lacks_what_was_published(built: Path, logs: Path, tmp_path: Path) -> None:
    mirror = Path(shutil.copytree(logs, tmp_path / "mirror"))
    for path in (mirror / "Pong/1/replay_logs").glob("*_ckpt.5.gz"):
        path.unlink()
    last = "manifests/pong/run_1/checkpoint_05.json"
    told = differences(built, mirror)
    files = f"data/pong/run_1/checkpoint_05, episodes/pong/run_1/checkpoint_05.parquet and {last}"
    advice = f"remove {files} and render the card, {OTHERWISE}"
    assert f"{last}: the source has no checkpoint 5 of this run, but 0-4; {advice}" in told
    assert not any(each.startswith(f"{FIRST}/") for each in told)
    shutil.rmtree(mirror / "Pong/1")
    (mirror / "Pong/2").mkdir()
    (told,) = differences(built, mirror)
    assert told.startswith("data/pong/run_1: cannot be compared with the source (")


def test_a_source_with_a_damaged_file(built: Path, logs: Path, tmp_path: Path) -> None:
    mirror = Path(shutil.copytree(logs, tmp_path / "mirror"))
    path = mirror / "Pong/1/replay_logs/$store$_observation_ckpt.3.gz"
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # of the checksum at the end
    path.write_bytes(content)
    told = differences(built, mirror)
    # Checkpoints 1 to 3 need the file; the others are compared all the same.
    places = [f"manifests/pong/run_1/checkpoint_0{number}.json" for number in (1, 2, 3, 4)]
    assert {each.partition(":")[0] for each in told} <= {*places}
    # No episode begins in checkpoint 3: its own file is compared by its checksum alone.
    listed = [each for each in told if each.startswith(places[2])]
    assert all("was made from another Pong/1/replay_logs/" in each for each in listed)
    read = [each for each in told if each not in listed]
    assert all(": cannot be compared with the source (" in each for each in read) and read


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """In any Parquet file or manifest, wherever it lies."""
    logs = tmp_path / "logs"
    write_log(logs, (30, 20, 40), capacity=60)
    folder = build_from(logs, tmp_path / "dataset")
    files = [path for top in ("data", "episodes", "manifests") for path in (folder / top).rglob("*.*")]
    dice = random.Random(0)
    for _ in range(20):
        path = dice.choice(files)
        content = path.read_bytes()
        place, bit = dice.randrange(len(content)), dice.randrange(8)
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        assert not verified(folder, logs).ok, (path, place, bit)
        path.write_bytes(content)
    assert verified(folder, logs).ok


# On the Hub.


def verify_on_hub(
    hub: HubServer,
    repo: str = "user/replay",
    *,
    revision: str = "main",
    source: Path | None = None,
    token: str | None = None,
    quick: bool = False,
) -> Verification:
    with hub.of_this_process(token):
        reader = HubReader(repo, revision, patience=3)
        return verify(reader, source=open_source(str(source)) if source else None, quick=quick)


@pytest.fixture
def published(hub: HubServer, built: Path) -> HubServer:
    """A Hub with the dataset."""
    publish(built, HubDestination("user/replay", endpoint=hub.url, token=hub.token, private=True))
    return hub


def damage_on_hub(hub: HubServer, path: str, content: bytes) -> None:
    """What a broken disk of the Hub's would do: it goes on saying what the file should be."""
    repo = hub.repos["user/replay"]
    entry = repo.commits[repo.branches["main"]].files[path]
    (hub.objects / entry.sha256).write_bytes(content)


def test_a_repo_on_the_hub_that_is_right(published: HubServer, logs: Path) -> None:
    verification = verify_on_hub(published, source=logs)
    address = f"{published.url}/datasets/user/replay"
    assert verification.ok
    assert str(verification).endswith(f"\nall is right: {address} (every row, also with {logs})")
    asked = len(published.requests)
    verification = verify_on_hub(published, quick=True)
    assert verification.ok
    assert str(verification).endswith(f"\nall is right: {address} (every file's SHA-256, but no rows)")
    # No table was read, and nothing but reading was asked for.
    quick = [request for request in list(published.requests)[asked:] if request.path.endswith(".parquet")]
    assert quick == []
    assert {request.method for request in list(published.requests)[asked:]} <= {"GET", "HEAD", "POST"}
    assert len(published.repos["user/replay"].commits) == 2
    assert published.unknown == []


def test_a_file_that_the_hub_has_damaged(published: HubServer, built: Path) -> None:
    content = bytearray((built / GOES_ON).read_bytes())
    content[200] ^= 4
    damage_on_hub(published, GOES_ON, bytes(content))
    verification = verify_on_hub(published)
    found, expected = (hashlib.sha256(each).hexdigest() for each in (content, (built / GOES_ON).read_bytes()))
    assert not verification.ok
    told = f"{GOES_ON}: found SHA-256 {found}, expected {expected}; {REDO}"
    assert told in str(verification).splitlines()


def test_a_file_that_the_hub_has_lost(published: HubServer) -> None:
    published.fault = lambda request: (
        Response(404, {"error": "gone"}, {"X-Error-Code": "EntryNotFound"})
        if request.path.endswith(GOES_ON)
        else None
    )
    verification = verify_on_hub(published)
    assert not verification.ok
    told = f"{GOES_ON}: cannot be read (the Hub lists it but does not have it); {REDO}"
    assert told in str(verification).splitlines()


def test_a_hub_that_often_fails(published: HubServer, logs: Path) -> None:
    dice = random.Random(0)

    def fail(request: Request) -> Response | None:
        return Response(503, {"error": "busy"}, {"Retry-After": "0"}) if dice.random() < 0.2 else None

    published.fault = fail
    verification = verify_on_hub(published, source=logs)
    assert verification.ok, verification


def test_a_token_that_is_withdrawn_in_between(published: HubServer, built: Path) -> None:
    """What was found until then is told, and that it is not all."""
    last = "manifests/pong/run_1/checkpoint_05.json"
    damage_on_hub(published, last, b"!" * (built / last).stat().st_size)
    asked: list[str] = []

    def refuse(request: Request) -> Response | None:
        asked.append(request.path)
        return Response(403, {"error": "no"}) if any(path.endswith(GOES_ON) for path in asked) else None

    published.fault = refuse
    verification = verify_on_hub(published)
    told = str(verification).splitlines()
    address = f"{published.url}/datasets/user/replay"
    assert not verification.ok
    assert told[-3].startswith(f"{last}: not a manifest (")
    assert told[-2] == (
        f"…: not checked to the end ({address}: no such repo, or the token may not see it (403); check the "
        f"name, or run `hf auth login`); verify again"
    )
    assert told[-1] == f"2 differences: {address} (every row)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"repo": "user/none"},
            "no such repo, or the token may not see it (404); check the name",
        ),
        (
            {"token": ""},
            "no such repo, or the token may not see it (401); check the name",
        ),
        ({"revision": "v2"}, "user/replay: has no revision 'v2'"),
        ({"repo": "a/b/c"}, "'a/b/c' cannot be a repo's name: "),
    ],
)
def test_a_repo_that_cannot_be_read(published: HubServer, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OutputError) as error:
        verify_on_hub(published, **options)
    assert message in str(error.value) and "\n" not in str(error.value)
