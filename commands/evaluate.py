"""`atari-dqn-replay evaluate`."""

import argparse

from .arguments import add_dry_run, to_path, to_positive

SUMMARY = "play a trained agent's game, score it, and write or publish its card"
EXAMPLES = (
    "atari-dqn-replay evaluate runs/pong-dqn",
    "atari-dqn-replay evaluate runs/pong-dqn --episodes 20 --video best.mp4",
    "atari-dqn-replay evaluate runs/pong-dqn --push me/pong-dqn",
)
WHEN_STOPPED = "nothing was written; the same command starts from the beginning"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, how it is played, and where its card goes."""
    parser.add_argument("run", type=to_path, metavar="RUN", help="the folder that `train --out` made")
    parser.add_argument("--game", metavar="GAME", help="which to play, of a run that learned several")
    parser.add_argument(
        "--episodes", type=to_positive, default=100, metavar="N", help="full episodes (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: %(default)s)")
    parser.add_argument(
        "--epsilon",
        type=float,
        default=0.001,
        metavar="X",
        help="share of random actions (default: %(default)s)",
    )
    parser.add_argument(
        "--max-steps-per-episode",
        type=to_positive,
        default=27_000,
        metavar="N",
        help="agent steps after which an episode is cut off (default: %(default)s)",
    )
    parser.add_argument(
        "--environments",
        type=to_positive,
        default=8,
        metavar="N",
        help="games at once (default: %(default)s)",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, … (default: a GPU if there is one)")
    parser.add_argument(
        "--video", type=to_path, metavar="FILE", help="write the best episode to a .mp4, .gif or .webp"
    )
    parser.add_argument("--push", metavar="USER/NAME", help="publish the run as a model on the Hub")
    parser.add_argument("--private", action="store_true", help="make a new repo private")
    add_dry_run(parser)


def run(options: argparse.Namespace) -> object:
    """Evaluate the run, and publish it if asked to."""
    from ..agents.devices import require_torch

    require_torch()
    if (options.private or options.dry_run) and options.push is None:
        options.refuse("--private and --dry-run are for --push")
    from ..agents.evaluation import EvaluationProtocol
    from ..agents.push import push_run
    from ..agents.run_evaluation import EvaluationSettings, evaluate_run
    from ..agents.run_folder import RunFolder
    from ..builder.network.hub import check_repo_id

    if options.push is not None:
        check_repo_id(options.push)
        if options.dry_run:
            RunFolder(options.run).read()
            return push_run(options.run, options.push, dry_run=True)
    evaluation = evaluate_run(
        EvaluationSettings(
            options.run,
            options.episodes,
            options.seed,
            EvaluationProtocol(options.epsilon, options.max_steps_per_episode, options.environments),
            options.device,
            options.video,
            options.game,
        )
    )
    if options.push is None:
        return evaluation
    print(evaluation)
    return push_run(options.run, options.push, private=options.private)
