"""Cards with YAML that people wrote: what is written loads with `datasets`, or nothing is written."""

from pathlib import Path

import datasets
import pytest
from atari_dqn_replay.builder.assembly.plan import make_plan
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.publishing.editing import render_cards
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.folder_destination import FolderDestination
from atari_dqn_replay.builder.repos.place import Place
from atari_dqn_replay.builder.sources.open import open_source
from dataset_folders import build_dataset, contents
from huggingface_hub import DatasetCard
from logs import write_log

from atari_dqn_replay import find_game


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of Pong; not to be changed."""
    return build_dataset(tmp_path_factory.mktemp("built") / "pong", checkpoints=(0,))


def begin(folder: Path, readme: str) -> FolderDestination:
    """Returns a clone of a repo whose owner has only begun the card."""
    folder.mkdir()
    (folder / ".gitattributes").touch()
    (folder / "README.md").write_text(readme)
    return FolderDestination(folder)


@pytest.mark.parametrize(
    "readme",
    [
        "---\nlicense: mit\n...\n---\n# t\n",
        "---\nlicense: mit\n... # the end\n---\n# t\n",
        "---\nlicense: mit\npretty_name: '...'\n...\n\n---\n# t\n",
        "---\nlicense: mit\nlicense: mit\n---\n# t\n",
        "---\n{license: mit}\n...\n---\n# t\n",
        "---\nlicense: mit\nconfigs:\n- config_name: zzz\n  data_files: episodes/*/*/*.parquet\n---\n",
    ],
)
def test_what_is_written_loads(readme: str, pong: Path, tmp_path: Path) -> None:
    destination = begin(tmp_path / "published", readme)
    publish(pong, destination)
    card = DatasetCard.load(tmp_path / "published/README.md")
    assert card.data.to_dict()["license"] == "mit"
    assert datasets.load_dataset(str(tmp_path / "published"), "pong-mixed", streaming=True)["run_1"]
    assert render_cards(destination).nothing_to_do
    assert publish(pong, destination).nothing_to_do


@pytest.mark.parametrize(
    "yaml",
    [
        "license:\tmit",  # libyaml reads the tab, the PyYAML of `datasets` does not
        "license: [mit",
        "license: mit\n...\nmore: 1",
        "license: !!python/name:os.system",
        "configs:\n- config_name: mine\n  data_files: 5",
        "configs:\n- config_name: mine\n  data_files: [{split: 5, path: x}]",
        "dataset_info:\n- config_name: mine\n  features: 3",
    ],
)
def test_what_datasets_cannot_read_is_refused_before_anything_is_made(
    yaml: str, pong: Path, tmp_path: Path
) -> None:
    destination = begin(tmp_path / "published", f"---\n{yaml}\n---\n# t\n")
    before = contents(tmp_path / "published")
    write_log(tmp_path / "logs", (20, 30), capacity=60)
    source, place = open_source(str(tmp_path / "logs")), Place(folder=str(tmp_path / "published"))
    for act in (
        lambda: publish(pong, destination),
        lambda: make_plan(source, [find_game("pong")], place),
    ):
        with pytest.raises(OutputError, match=r"README\.md: .*fix it first"):
            act()
    assert contents(tmp_path / "published") == before
