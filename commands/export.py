"""`atari-dqn-replay export`."""

import argparse

from .arguments import add_dry_run, add_storage_option, to_numbers, to_path, to_positive, to_source

SUMMARY = "write a dataset in a form that another library reads: the original dumps, LRAM's, Minari, .pt"
EXAMPLES = (
    "atari-dqn-replay export dataset pong-full --format bucket --out mirror/dqn",
    "atari-dqn-replay export me/atari-dqn-replay breakout-expert --format bucket --out mirror --dry-run",
    "atari-dqn-replay export dataset --envs breakout pong --format lram --out lram --add-rtgs",
    "atari-dqn-replay export dataset crafter-full --format episodes-pt --out episodes",
    "atari-dqn-replay export dataset pong-full --format minari --out minari --runs 1 --top 0.01",
)
WHEN_STOPPED = "what was finished is kept, and the same command goes on with the rest"

FORMATS = ("bucket", "episodes-pt", "lram", "minari")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is exported, where, and the options of each format."""
    parser.add_argument(
        "dataset",
        type=to_source,
        metavar="DATASET",
        help="folder with a built dataset, USER/NAME of a dataset repo on the Hub, or a folder or URL of "
        "replay logs",
    )
    parser.add_argument(
        "configs", nargs="*", metavar="CONFIG", help="what to export: pong-expert, pong-full, …"
    )
    parser.add_argument(
        "--envs", nargs="+", metavar="GAME", help="games to export as a whole: the same as GAME-full"
    )
    parser.add_argument("--format", choices=FORMATS, required=True, help="see docs/exporting.md")
    parser.add_argument(
        "--out", "--save-dir", type=to_path, required=True, metavar="FOLDER", help="folder to write to"
    )
    parser.add_argument(
        "--runs", type=to_numbers("runs"), metavar="1-5", help="runs to export (default: all; of lram, one)"
    )
    parser.add_argument(
        "--checkpoints",
        type=to_numbers("checkpoints"),
        metavar="0,9,40-49",
        help="checkpoints to export (default: those of the config)",
    )
    parser.add_argument("--revision", help="branch, tag or commit of a repo on the Hub (default: main)")
    add_storage_option(parser)
    add_dry_run(parser)
    # Options that were not given are absent, so that one of another format is noticed.
    _add_bucket_options(parser.add_argument_group("bucket", argument_default=argparse.SUPPRESS))
    _add_lram_options(parser.add_argument_group("lram", argument_default=argparse.SUPPRESS))
    _add_minari_options(parser.add_argument_group("minari", argument_default=argparse.SUPPRESS))


def run(options: argparse.Namespace) -> object:
    """Export what is not exported yet."""
    from ..interop.export.export import FORMATS as KINDS
    from ..interop.export.export import export, option_names

    if bool(options.configs) == bool(options.envs):
        options.refuse("name either configs such as pong-expert or, with --envs, games")
    given = vars(options)
    for name in {option for kind in KINDS.values() for option in option_names(kind)} & given.keys():
        if name not in option_names(KINDS[options.format]):
            options.refuse(f"--{name.replace('_', '-')} is no option of --format {options.format}")
    return export(
        options.dataset,
        options.configs or [f"{game}-full" for game in options.envs],
        format=options.format,
        out=options.out,
        runs=options.runs,
        checkpoints=options.checkpoints,
        revision=options.revision,
        storage_options=dict(options.storage_option),
        dry_run=options.dry_run,
        **{name: given[name] for name in option_names(KINDS[options.format]) if name in given},
    )


def _add_bucket_options(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--compression",
        choices=("fast", "small"),
        help="of the gzip streams; the arrays are the same (default: fast)",
    )
    group.add_argument(
        "--capacity",
        type=to_positive,
        metavar="C",
        help="rows of the ring, for data that was not dumped from one (default: 1000000)",
    )


def _add_lram_options(group: "argparse._ArgumentGroup") -> None:
    group.description = "The names are those of LRAM's download script, and so are the defaults."
    group.add_argument("--num-slices", type=to_positive, metavar="N", help="slices of a run (default: 50)")
    group.add_argument(
        "--quality",
        choices=("mixed", "random", "expert"),
        help="which slices, if fewer than 50: drawn, the first, or the last (default: mixed)",
    )
    group.add_argument("--max-episodes", type=int, metavar="N", help="last number of an episode's file")
    group.add_argument("--max-transitions", type=int, metavar="N", help="counted in whole slices")
    group.add_argument("--a-to-full-space", action="store_true", help="number actions among ALE's 18")
    group.add_argument("--save-format", choices=("hdf5", "npz", "npzc", "pkl"), help="default: hdf5")
    group.add_argument("--add-rtgs", action="store_true", help="add returns_to_go")
    group.add_argument("--to-rgb", action="store_true", help="repeat the grey channel three times")
    group.add_argument("--crop-dim", type=to_positive, metavar="D", help="resize to D×D (default: 84)")
    group.add_argument(
        "--padding",
        action="store_true",
        help="cut the dumps' rows as that script does, padding and all (default: whole episodes of play)",
    )


def _add_minari_options(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--dataset-id",
        metavar="ID",
        help="may contain {game}, {view} and {run} (default: atari-dqn-replay/{game}/{view}-run{run}-v0)",
    )
    group.add_argument("--top", type=float, metavar="SHARE", help="only the best episodes by return: 0.01")
    group.add_argument(
        "--min-return", type=float, metavar="R", help="only episodes with at least this return"
    )
    group.add_argument("--max-return", type=float, metavar="R", help="only episodes with at most this return")
    group.add_argument(
        "--complete", action="store_true", help="only episodes that began at a reset and came to an end"
    )
    group.add_argument("--algorithm-name", metavar="NAME", help="to state in the metadata")
    group.add_argument("--author", metavar="NAME", help="to state in the metadata")
    group.add_argument("--author-email", metavar="ADDRESS", help="to state in the metadata")
    group.add_argument("--code-permalink", metavar="URL", help="to state in the metadata")
