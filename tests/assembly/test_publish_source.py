"""What users of `atari-dqn-replay publish … --source` rely on."""

import gzip
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from atari_dqn_replay.builder.assembly import coordinator, estimate
from atari_dqn_replay.builder.assembly.job import JOB, Place
from atari_dqn_replay.builder.assembly.pieces import Piece, write_piece
from atari_dqn_replay.builder.assembly.plan import Plan, make_plan
from atari_dqn_replay.builder.assembly.publish_source import forecast, publish_source
from atari_dqn_replay.builder.engines.engine import ProcessEngine
from atari_dqn_replay.builder.errors import OutputError, SourceError
from atari_dqn_replay.builder.format.checkpoint_id import CheckpointId
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.repos.folder_destination import UPLOADS, FolderDestination
from atari_dqn_replay.builder.sources.open import named_games, open_source
from command import Fork, run, run_process
from dataset_folders import contents, manifests
from hub_server import HubServer
from logs import log_folder, write_log

pytestmark = pytest.mark.slow

PONG = find_game("pong")
PONG_LENGTHS = [30, 70, 45, 60, 95, 20, 80, 33]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight checkpoints of Pong and five of Breakout; episodes cross most of their bounds."""
    folder = tmp_path_factory.mktemp("source")
    write_log(folder, PONG_LENGTHS, capacity=60)
    write_log(folder, [90, 25, 140, 40], capacity=75, game="Breakout", run=2, seed=1)
    return folder


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it, published into a folder by one process in one go."""
    folder = tmp_path_factory.mktemp("whole") / "dataset"
    publish(source, folder)
    return folder


def plan(source: Path, to: Path, games: tuple[str, ...] = ("all",), **selection: Any) -> Plan:
    opened = open_source(str(source))
    return make_plan(opened, named_games(opened, games), Place(folder=str(to)), **selection)


def publish(source: Path, to: Path, games: tuple[str, ...] = ("all",), **selection: Any) -> str:
    return str(publish_source(plan(source, to, games, **selection), ProcessEngine()))


def prepare(source: Path, to: Path, monkeypatch: pytest.MonkeyPatch, **selection: Any) -> None:
    """Publish, and stop when the first pieces are made and none is published."""

    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(coordinator, "put", interrupt)
        with pytest.raises(KeyboardInterrupt):
            publish(source, to, **selection)


def test_build_writes_the_same(source: Path, whole: Path, tmp_path: Path) -> None:
    assert run("build", "all", "--source", source, "--out", tmp_path / "built").returncode == 0
    assert contents(tmp_path / "built") == contents(whole)


def test_the_number_of_workers_changes_nothing(source: Path, whole: Path, tmp_path: Path) -> None:
    done = run("publish", "all", "--source", source, "--to", tmp_path / "out", "--workers", "3")
    assert done.returncode == 0, done.stderr
    assert "published 13 checkpoints" in done.stdout
    assert contents(tmp_path / "out") == contents(whole)


def test_in_several_pieces_and_any_order_it_becomes_the_same(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    """The last episode of a checkpoint goes on in the next, which may be published first, or later."""
    for checkpoints in ([5], [0, 2], [6, 4], [7]):
        publish(source, tmp_path / "out", ("pong",), checkpoints=checkpoints)
    publish(source, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(whole)


def test_on_the_hub_it_is_the_same_but_for_the_card(
    source: Path, whole: Path, tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["publish", "all", "--source", source, "--repo-id", "user/replay", "--workers", "2"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    # Its workers find the Hub in their environment, which is that of the first process to start any.
    done = run_process(*arguments, env={**os.environ, **hub.environment()})
    assert done.returncode == 0, done.stderr
    published = hub.files("user/replay")
    expected = contents(whole)
    for path in ("README.md", ".gitattributes"):
        published.pop(path)
        expected.pop(path, None)
    assert published == expected
    assert len(hub.repos["user/replay"].commits) == 2, "one of the Hub's own and one for all checkpoints"
    with hub.of_this_process():
        again = run(*arguments)
    assert "published 0 checkpoints, 0 steps (0.00B); 13 were there already" in again.stdout
    assert len(hub.repos["user/replay"].commits) == 2


def test_each_game_may_have_a_repo_of_its_own(
    source: Path, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with hub.of_this_process():
        done = run("publish", "all", "--source", source, "--repo-id", "user/replay-{game}")
    assert done.returncode == 0, done.stderr
    assert sorted(hub.repos) == ["user/replay-breakout", "user/replay-pong"]
    held = hub.files("user/replay-pong")
    assert any(path.startswith("data/pong/") for path in held)
    assert not any("breakout" in path for path in held)


def test_a_grown_source_is_noticed(source: Path, whole: Path, tmp_path: Path) -> None:
    """The checkpoint that was last goes on in the new one, so it is made again, too."""
    younger, out = shutil.copytree(source, tmp_path / "younger"), tmp_path / "out"
    later = [path for k in (6, 7, 8) for path in log_folder(younger, PONG, 1).glob(f"*_ckpt.{k}.gz")]
    for path in later:
        path.unlink()
    publish(younger, out)
    grown = plan(source, out)
    assert [each.number for each in grown.to_build] == [5, 6, 7]
    publish_source(grown, ProcessEngine())
    assert contents(out) == contents(whole)


@pytest.mark.parametrize(("known", "again"), [(4, [1, 3, 4, 5, 6]), (3, [1, 2, 3, 4, 5, 6]), (6, [1, 5, 6])])
def test_a_grown_source_is_noticed_by_all_that_its_episodes_reach_into(
    known: int, again: list[int], tmp_path: Path
) -> None:
    """An episode of 250 steps begins in checkpoint 1 and fills checkpoints 2 to 5."""
    source, younger, out = tmp_path / "source", tmp_path / "younger", tmp_path / "out"
    write_log(source, [50, 250, 60], capacity=50)
    shutil.copytree(source, younger)
    for path in (
        path for k in range(known, 9) for path in log_folder(younger, PONG, 1).glob(f"*_ckpt.{k}.gz")
    ):
        path.unlink()
    publish(younger, out)
    grown = plan(source, out)
    assert [each.number for each in grown.to_build if each.number <= 6] == again
    publish_source(grown, ProcessEngine())
    assert plan(source, out).to_build == []
    publish(source, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")


def test_a_damaged_file_holds_up_none_but_those_that_need_it(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    mirror, out = shutil.copytree(source, tmp_path / "mirror"), tmp_path / "out"
    damaged = log_folder(mirror, PONG, 1) / "$store$_observation_ckpt.3.gz"
    content = damaged.read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    done = run("publish", "all", "--source", mirror, "--to", out)
    assert done.returncode == 1
    assert "$store$_observation_ckpt.3.gz: is cut short" in done.stderr
    assert "going on with the others" in done.stderr
    assert "(11 other checkpoints were published)" in done.stderr
    assert "Traceback" not in done.stderr
    lacking = {manifest.checkpoint for manifest in manifests(out) if manifest.game == "Pong"}
    assert lacking == {0, 1, 4, 5, 6, 7}, "3 is damaged, and the last episode of 2 goes on there"
    damaged.write_bytes(content)
    publish(mirror, out)
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("what", ["first checkpoint", "first header", "empty run"])
def test_a_run_that_cannot_be_read_holds_up_no_other(source: Path, tmp_path: Path, what: str) -> None:
    mirror, out = shutil.copytree(source, tmp_path / "mirror"), tmp_path / "out"
    frames = log_folder(mirror, find_game("breakout"), 2) / "$store$_observation_ckpt.0.gz"
    if what == "first checkpoint":
        frames.write_bytes(frames.read_bytes()[:500])
    elif what == "first header":
        frames.write_bytes(b"not gzip")
    else:
        (mirror / "Breakout" / "3" / "replay_logs").mkdir(parents=True)
    done = run("publish", "all", "--source", mirror, "--to", out)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    pong = {manifest.checkpoint for manifest in manifests(out) if manifest.game == "Pong"}
    assert pong == set(range(8))
    if what == "empty run":
        assert "Breakout/3: holds no log files" in done.stderr.partition("going on with the others")[0]
    breakout = {manifest.checkpoint for manifest in manifests(out) if manifest.game == "Breakout"}
    assert breakout >= {3, 4}, "what comes right after it cannot be told apart from a gap"


@pytest.mark.parametrize(
    ("command", "what"),
    [
        *((("build", "--out"), what) for what in ("empty", "missing", "no header", "empty add_count")),
        (("publish", "--to"), "empty"),
    ],
)
def test_a_last_file_that_cannot_be_read_costs_no_other_checkpoint(
    source: Path, whole: Path, tmp_path: Path, command: tuple[str, str], what: str
) -> None:
    """Its neighbour is built as if all of the last checkpoint's files were missing, until they are mended."""
    mirror, out = shutil.copytree(source, tmp_path / "mirror"), tmp_path / "out"
    array = "add_count" if "add_count" in what else "$store$_observation"
    damaged = log_folder(mirror, PONG, 1) / f"{array}_ckpt.7.gz"
    content = damaged.read_bytes()
    if what == "missing":
        damaged.unlink()
    else:
        damaged.write_bytes(b"not gzip" if what == "no header" else b"")
    done = run(command[0], "all", "--source", mirror, command[1], out)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert damaged.name in last, last
    assert "(12 other checkpoints were published)" in last
    damaged.write_bytes(content)
    assert run(command[0], "all", "--source", mirror, command[1], out).returncode == 0
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("state", ["published", "prepared"])
def test_a_last_file_that_is_damaged_later_is_reported_and_nothing_is_lost(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    mirror, out = shutil.copytree(source, tmp_path / "mirror"), tmp_path / "out"
    if state == "prepared":
        prepare(mirror, out, monkeypatch)
    else:
        publish(mirror, out)
    damaged = log_folder(mirror, PONG, 1) / "$store$_observation_ckpt.7.gz"
    damaged.write_bytes(b"")
    with pytest.raises(SourceError, match=r"observation_ckpt\.7\.gz: holds nothing"):
        publish(mirror, out)
    there = {manifest.checkpoint: manifest for manifest in manifests(out) if manifest.game == "Pong"}
    assert set(there) == set(range(8 if state == "published" else 7))
    assert there[6].later == (7 if state == "published" else None)
    assert sum(manifest.game == "Breakout" for manifest in manifests(out)) == 5


def test_a_run_of_which_no_file_can_be_read_is_reported_by_the_plan(source: Path, tmp_path: Path) -> None:
    mirror = shutil.copytree(source, tmp_path / "mirror")
    for path in log_folder(mirror, PONG, 1).glob("$store$_observation_ckpt.*.gz"):
        path.write_bytes(b"")
    made = plan(mirror, tmp_path / "out")
    assert {each.game.name for each in made.unpublished} == {"Breakout"}
    assert "cannot read: " in str(made)
    with pytest.raises(SourceError, match="holds nothing"):
        publish(mirror, tmp_path / "out")
    assert len(manifests(tmp_path / "out")) == 5


def test_an_episode_may_go_on_through_many_checkpoints(tmp_path: Path) -> None:
    log = write_log(tmp_path / "source", [10, 700, 30], capacity=60)
    publish(log.root, tmp_path / "part", ("pong",), checkpoints=[0])
    publish(log.root, tmp_path / "all", ("pong",))
    part, whole = (contents(tmp_path / name) for name in ("part", "all"))
    shared = {path for path in part if "checkpoint_00" in path}
    assert len(shared) == 4
    assert all(part[path] == whole[path] for path in shared)


def test_a_run_may_be_replaced_by_that_of_another_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More checkpoints than one commit holds."""
    monkeypatch.setattr(coordinator, "BATCH_CHECKPOINTS", 3)
    source, out = tmp_path / "source", tmp_path / "out"
    log = write_log(source, [25] * 6, capacity=25)
    publish(source, out)
    shutil.rmtree(log.folder)
    write_log(source, [27] * 6, capacity=26, seed=1)
    publish(source, out)
    publish(source, tmp_path / "fresh")
    assert len(manifests(out)) > coordinator.BATCH_CHECKPOINTS
    assert contents(out) == contents(tmp_path / "fresh")


def test_a_worker_that_is_lost_costs_no_more_than_its_checkpoint(source: Path, tmp_path: Path) -> None:
    class Losing(ProcessEngine):
        """Loses the worker of the first task, which was at its first checkpoint."""

        has_lost = False

        def run(self, work: str, tasks: Any) -> Any:
            if not self.has_lost:
                self.has_lost = True
                self.failures[0] = "its process was killed"
                tasks = tasks[1:]
            yield from super().run(work, tasks)

    made = plan(source, tmp_path / "out", ("pong",))
    outcome = coordinator.publish_plan(made, Losing())
    assert list(outcome.failures) == [CheckpointId(PONG, 1, 0)]
    assert {manifest.checkpoint for manifest in outcome.published} == set(range(1, 8))
    publish(source, tmp_path / "out", ("pong",))
    assert len(manifests(tmp_path / "out")) == 8


def test_a_piece_of_the_source_as_it_was_is_not_published(source: Path, whole: Path, tmp_path: Path) -> None:
    """A worker of an earlier publication may end late."""
    younger, out = shutil.copytree(source, tmp_path / "younger"), tmp_path / "out"
    for number in (6, 7, 8):
        for path in log_folder(younger, PONG, 1).glob(f"*_ckpt.{number}.gz"):
            path.unlink()
    old = plan(younger, out, ("pong",), checkpoints=[5])

    class Late(ProcessEngine):
        """Puts an outdated piece where the plan has looked for none."""

        def run(self, work: str, tasks: Any) -> Any:
            if not (tmp_path / "made").exists():
                piece = piece_of(old, tmp_path / "made")
                made.work.put_piece(piece, tmp_path / "made")
            yield from super().run(work, tasks)

    made = plan(source, out)
    outcome = coordinator.publish_plan(made, Late())
    outcome.require_success()
    assert contents(out) == contents(whole)


def piece_of(made: Plan, folder: Path) -> Piece:
    (checkpoint,) = made.to_build
    folder.mkdir()
    reader = made.run_of(checkpoint).reader()
    piece = write_piece(reader.part(checkpoint.number), folder, made.destinations[PONG].address)
    reader.close()
    return piece


def test_killed_workers_and_all_it_goes_on(source: Path, whole: Path, tmp_path: Path) -> None:
    arguments = ("publish", "all", "--source", source, "--to", tmp_path / "out", "--workers", "2")
    process = Fork(*arguments)
    while process.returncode is None and not list(tmp_path.glob("out/.work.incomplete/pieces/**/piece.json")):
        time.sleep(0.001)
    process.kill()
    process.end()
    status = run("status", "all", "--source", source, "--to", tmp_path / "out")
    assert "of 13 checkpoints are published" in status.stdout
    again = run(*arguments)
    assert again.returncode == 0, again.stderr
    assert contents(tmp_path / "out") == contents(whole)


def test_uploads_that_were_lost_are_made_again(
    source: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    prepare(source, out, monkeypatch)
    prepared = plan(source, out)
    assert len(prepared.prepared) == 13
    shutil.rmtree(out / UPLOADS)
    publish_source(prepared, ProcessEngine())
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("between", [[2], [5, 6], [7]])
def test_another_selection_leaves_what_an_interrupted_one_has_prepared(
    source: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: list[int]
) -> None:
    class Idle(ProcessEngine):
        """Allows no task."""

        def run(self, work: str, tasks: Any) -> Any:
            raise AssertionError("nothing is to be made")

    out, first = tmp_path / "out", [0, 1]
    prepare(source, out, monkeypatch, games=("pong",), checkpoints=first)
    assert [each.number for each in plan(source, out, ("pong",), checkpoints=first).prepared] == first
    publish(source, out, ("pong",), checkpoints=between)
    publish(source, out, ("breakout",))
    again = plan(source, out, ("pong",), checkpoints=first)
    assert [each.number for each in again.prepared] == first
    publish_source(again, Idle())
    publish(source, out)
    assert contents(out) == contents(whole)
    assert not list(out.glob(".*")), "nothing is left in it"


def test_another_compression_leaves_what_another_selection_has_prepared(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    prepare(source, out, monkeypatch, games=("pong",), checkpoints=[1, 4])
    publish(source, out, ("pong",), checkpoints=[2], compression="fast")
    assert len(plan(source, out, ("pong",), checkpoints=[1, 4]).prepared) == 2


@pytest.mark.parametrize("work", [None, "work"])
def test_a_second_publication_into_the_same_folder_is_refused(
    source: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str | None
) -> None:
    """The one that ends first would discard the other's uploads, wherever its work folder is."""
    out = tmp_path / "out"
    prepare(source, out, monkeypatch)
    options = ["--work", tmp_path / work] if work else []
    command = ["publish", "breakout", "--source", source, "--to", out, *options]
    with FolderDestination(out).uploading_alone():
        done = run(*command)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "another atari-dqn-replay is writing there; wait until it is done" in done.stderr
    assert str(out) in done.stderr
    assert "--work" not in done.stderr
    assert len(plan(source, out).prepared) == 13
    publish(source, out)
    assert contents(out) == contents(whole)
    assert not list(out.glob(".*")), "nothing is left in it"


def test_a_publication_keeps_others_out_from_beginning_to_end(source: Path, tmp_path: Path) -> None:
    seen = []

    class Watching(ProcessEngine):
        """Tries to publish into the same folder before and after each task."""

        def run(self, work: str, tasks: Any) -> Any:
            self.try_another()
            for _ in super().run(work, tasks):
                self.try_another()
                yield

        def try_another(self) -> None:
            other = plan(source, tmp_path / "out", ("breakout",), work=str(tmp_path / "another"))
            with pytest.raises(OutputError, match="another atari-dqn-replay is writing there") as refused:
                publish_source(other, ProcessEngine())
            seen.append(str(refused.value))

    publish_source(plan(source, tmp_path / "out"), Watching())
    assert len(seen) > 1
    assert len(manifests(tmp_path / "out")) == 13
    assert not list((tmp_path / "out").glob(".*")), "nothing is left in it"


def test_a_dry_run_tells_what_it_would_take_and_changes_nothing(source: Path, tmp_path: Path) -> None:
    done = run("publish", "pong", "--source", source, "--to", tmp_path / "out", "--dry-run")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "would build Pong run 1 checkpoints 0-7: 480 rows",
        "8 checkpoints to build, 480 rows; 0 are done",
    ]
    assert "to publish" in lines[2]
    assert "of disk and 400MB of memory at a time" in lines[2]
    assert "measured on" in lines[3]
    assert not (tmp_path / "out").exists()


def test_the_plan_warns_where_a_repo_would_hold_too_much(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan(source, tmp_path / "out")
    one, each = (replace(made, place=Place(repo_id=name)) for name in ("me/replay", "me/replay-{game}"))
    assert "warning" not in str(forecast(one, 1))
    monkeypatch.setattr(estimate, "POLITE_BYTES", 10_000)
    monkeypatch.setattr(estimate, "MOST_FILES", 50)
    told = str(forecast(one, 1))
    assert "warning: the repo would hold 52 files, more than 50" in told
    assert "advises one repo per game: --repo-id 'me/replay-{game}'" in told
    assert "warning" not in str(forecast(each, 1))


@pytest.mark.parametrize("disk", [100, 0, -1, -4e9])
def test_too_little_disk_is_refused_at_once(source: Path, tmp_path: Path, disk: float) -> None:
    with pytest.raises(OutputError, match=r"a worker needs .* of disk, more than the .*B it may have"):
        publish_source(plan(source, tmp_path / "out"), ProcessEngine(), disk=disk)
    with pytest.raises(OutputError, match="raise --disk"):
        forecast(plan(source, tmp_path / "out"), 2, disk=disk)


@pytest.mark.parametrize("how", ["damaged", "another"])
def test_a_final_dump_decides_nothing_unless_it_is_sound(source: Path, tmp_path: Path, how: str) -> None:
    """It tells how the checkpoint before it ends; whoever mends it gets that mended, too."""
    mirror, out = shutil.copytree(source, tmp_path / "mirror"), tmp_path / "out"
    frames = log_folder(mirror, PONG, 1) / "$store$_observation_ckpt.7.gz"
    sound = frames.read_bytes()
    if how == "damaged":
        frames.write_bytes(sound[:1000] + bytes([sound[1000] ^ 8]) + sound[1001:])
        with pytest.raises(SourceError, match=r"observation_ckpt\.7\.gz"):
            publish(mirror, out, ("pong",))
        assert 6 not in {manifest.checkpoint for manifest in manifests(out)}
    else:
        array = gzip.decompress(sound)
        frames.write_bytes(gzip.compress(array[:-40000] + bytes(40000), 1))
        publish(mirror, out, ("pong",))
    frames.write_bytes(sound)
    publish(mirror, out, ("pong",))
    publish(source, tmp_path / "expected", ("pong",))
    assert contents(out) == contents(tmp_path / "expected")


def test_status_tells_what_is_done(source: Path, whole: Path, tmp_path: Path) -> None:
    publish(source, tmp_path / "out", ("pong",), checkpoints=[0, 1, 4])
    done = run("status", "all", "--source", source, "--to", tmp_path / "out")
    assert done.stdout.splitlines() == [
        "game      run  published  prepared  to build",
        "--------  ---  ---------  --------  --------",
        "Breakout    2  none       none      0-4",
        "Pong        1  0-1, 4     none      2-3, 5-7",
        "3 of 13 checkpoints are published, 0 are prepared",
    ]


def test_secrets_do_not_lie_in_the_work_folder(source: Path, tmp_path: Path) -> None:
    opened = open_source(str(source), {"patience": 5.0})
    opened.storage_options = {**opened.storage_options, "secret": "hush"}
    made = make_plan(opened, named_games(opened, ["pong"]), Place(folder=str(tmp_path / "out")))
    seen: list[str] = []

    class Watching(ProcessEngine):
        is_here = True

        def run(self, work: str, tasks: Any) -> Any:
            seen.append((Path(work) / JOB).read_text())
            yield

    coordinator.publish_plan(made, Watching())
    assert seen
    assert "patience" in seen[0]
    assert not any("hush" in text for text in seen)
    Watching.is_here = False
    with pytest.raises(OutputError, match="may be secret"):
        coordinator.publish_plan(made, Watching())


def test_games_leave_and_the_card_stays_true(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(source, out)
    assert run("remove", "breakout", "--to", out).returncode == 0
    assert datasets.get_dataset_config_names(str(out))[0].startswith("pong-")
    publish(source, tmp_path / "pong", ("pong",))
    assert contents(out) == contents(tmp_path / "pong")
    card = out / "README.md"
    text = card.read_text()
    card.write_text(text.replace("num_examples: ", "num_examples: 9"))
    assert run("render", "--to", out).returncode == 0
    assert card.read_text() == text
    assert run("render", "--to", out, "--license", "cc-by-4.0").returncode == 0
    assert "license: cc-by-4.0" in card.read_text()


def test_verify_ends_with_one_exit_code(source: Path, whole: Path, tmp_path: Path) -> None:
    good = run("verify", whole, "--source", source)
    assert (good.returncode, good.stderr) == (0, ""), good.stdout
    copy = shutil.copytree(whole, tmp_path / "copy")
    shard = next(copy.rglob("steps-00000-*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-10])
    bad = run("verify", copy)
    assert bad.returncode == 1
    assert shard.name in bad.stdout


def test_a_source_without_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError):
        publish(tmp_path / "empty", tmp_path / "out")


def test_the_work_folder_may_lie_elsewhere(source: Path, whole: Path, tmp_path: Path) -> None:
    """It may hold anything; nothing but what was put there goes again."""
    work = shutil.copytree(source, tmp_path / "work")
    (work / "scratch").mkdir()
    done = run("publish", "all", "--source", source, "--to", work / "out", "--work", work)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in work.iterdir()) == ["Breakout", "Pong", "out", "scratch"]
    assert contents(work / "out") == contents(whole)
