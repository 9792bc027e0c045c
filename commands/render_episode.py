"""`atari-dqn-replay render-episode`."""

import argparse

from .arguments import to_path, to_positive

SUMMARY = "write an episode of a dataset as a video (.mp4) or an animated image (.gif, .webp)"
EXAMPLES = (
    "atari-dqn-replay render-episode dataset pong --out best.webp",
    "atari-dqn-replay render-episode dataset pong --run 2 --checkpoint 9 --episode 3 --out third.mp4",
    "atari-dqn-replay render-episode me/atari-dqn-replay ms-pacman --out best.gif --scale 2",
)
WHEN_STOPPED = "nothing was written; the same command starts from the beginning"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the episode, and the file that is written."""
    parser.add_argument("dataset", metavar="DATASET", help="a folder, or USER/NAME on the Hub")
    parser.add_argument("game", metavar="GAME", help="in any spelling: pong, MsPacman, ms-pacman")
    parser.add_argument("--run", type=int, default=1, metavar="R", help="default: %(default)s")
    parser.add_argument(
        "--checkpoint", type=int, metavar="N", help="default: the last that has a complete episode"
    )
    parser.add_argument(
        "--episode",
        type=int,
        metavar="N",
        help="its number in the checkpoint (default: the complete one of the highest return)",
    )
    parser.add_argument(
        "--out", type=to_path, required=True, metavar="FILE", help="a name that ends in .mp4, .gif or .webp"
    )
    parser.add_argument(
        "--fps", type=float, default=15.0, metavar="N", help="frames per second (default: 15, the game's own)"
    )
    parser.add_argument(
        "--scale",
        type=to_positive,
        metavar="N",
        help="how much pixels are enlarged (default: 1 for images, 4 for videos)",
    )
    parser.add_argument("--revision", metavar="REVISION", help="of a dataset on the Hub (default: main)")


def run(options: argparse.Namespace) -> object:
    """Write the file, and say what it shows."""
    from ..explorer.render import WantedEpisode, render_episode

    return render_episode(
        options.dataset,
        WantedEpisode(options.game, options.run, options.checkpoint, options.episode),
        options.out,
        frames_per_second=options.fps,
        scale=options.scale,
        revision=options.revision,
    )
