"""Measures how random the order of shuffled samples is, against an ideal shuffle, by a reader's memory.

No frame is read: the order follows from block sizes, seed and epoch alone. For a selection of --rows steps
and each memory, over --epochs epochs:

- coverage: how much of the selection comes exactly once in an epoch (100 % by construction; counted here);
- neighbours: how far apart in play the two nearest samples of a batch are, on average, in steps;
- distances: the greatest difference between the distribution of distances in play from one sample of a batch
  to the next and that of an ideal shuffle (the Kolmogorov-Smirnov statistic; 0 is ideal, 1 is no mixing);
- spread: from how many of ten equal parts of the selection the samples of a batch come, on average;
- epochs: how much of a batch of one epoch comes together again in a batch of the next, in pairs of samples,
  relative to an ideal shuffle (1 is ideal).
"""

import argparse
from collections.abc import Iterator

import numpy as np
from atari_dqn_replay.builder.format.frame_format import GREY84
from atari_dqn_replay.replay_reader.batches import AHEAD, BLOCK_ROWS
from atari_dqn_replay.replay_reader.sample_order import SampleOrder
from common import print_table

IDEAL = "ideal shuffle"


def main() -> None:
    """Measure several memory sizes, and an ideal shuffle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="steps selected (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=2, help="default: %(default)s")
    parser.add_argument(
        "--megabytes", type=int, nargs="+", default=[256, 768, 2048, 8192], help="default: %(default)s"
    )
    options = parser.parse_args()
    rows, size, epochs = options.rows, options.batch_size, options.epochs
    orders = {IDEAL: [np.random.default_rng(epoch).permutation(rows) for epoch in range(epochs)]}
    for megabytes in options.megabytes:
        name = f"{megabytes:,} MiB"
        orders[name] = [draw_order(rows, megabytes << 20, epoch) for epoch in range(epochs)]
    ideal = np.sort(np.concatenate(list(map(distances, batches_of(orders[IDEAL], size)))))
    table = [[name, *describe(order, ideal, rows, size)] for name, order in orders.items()]
    print(f"{rows:,} steps, batches of {size}.\n")
    print_table(["memory", "coverage", "neighbours", "distances", "spread", "epochs"], table)


def draw_order(rows: int, memory: int, epoch: int) -> np.ndarray:
    """Returns the steps in the order of an epoch, as `Transitions` with this memory yields them."""
    starts = np.arange(0, rows, BLOCK_ROWS)
    sizes = np.minimum(BLOCK_ROWS, rows - starts)
    slots = min(memory // (BLOCK_ROWS * GREY84.nbytes), len(starts))
    pool = 2 * len(starts) if slots == len(starts) else slots - 1 - AHEAD
    order = SampleOrder(sizes, pool=pool, seed=0, epoch=epoch, shuffle=True)
    return np.concatenate(list(_slices(order, starts)))


def batches_of(epochs: list[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield all full batches: (batches, size) for each epoch."""
    for order in epochs:
        yield order[: len(order) // size * size].reshape(-1, size)


def distances(batches: np.ndarray) -> np.ndarray:
    """Returns the number of steps in play from each sample of a batch to the next."""
    return np.abs(np.diff(batches, axis=1)).ravel()


def describe(epochs: list[np.ndarray], ideal: np.ndarray, rows: int, size: int) -> list[str]:
    """Returns a row of the table."""
    coverage = np.mean([(np.bincount(order, minlength=rows) == 1).mean() for order in epochs])
    batches = list(batches_of(epochs, size))
    nearest = np.mean([np.diff(np.sort(each, axis=1), axis=1).min(axis=1).mean() for each in batches])
    parts = np.mean([_parts(each * 10 // rows).mean() for each in batches])
    found = np.sort(np.concatenate(list(map(distances, batches))))
    at = np.linspace(0, rows, 2001)
    gap = np.abs(np.searchsorted(found, at) / len(found) - np.searchsorted(ideal, at) / len(ideal)).max()
    together = _pairs_again(epochs[0], epochs[1], size) if len(epochs) > 1 else float("nan")
    expected = rows * (size - 1) / 2 * (size - 1) / (rows - 1)
    return [
        f"{coverage:.2%}",
        f"{nearest:,.0f}",
        f"{gap:.3f}",
        f"{parts:.2f}",
        f"{together / expected:.1f}",
    ]


def _parts(parts: np.ndarray) -> np.ndarray:
    ordered = np.sort(parts, axis=1)
    return 1 + (np.diff(ordered, axis=1) > 0).sum(axis=1)


def _pairs_again(first: np.ndarray, second: np.ndarray, size: int) -> int:
    """Returns the number of pairs of samples that share a batch in both orders."""
    batch = np.empty(len(second), np.int64)
    batch[second] = np.arange(len(second)) // size
    again = 0
    for members in batches_of([first], size):
        ordered = np.sort(batch[members], axis=1)
        for apart in range(1, size):
            again += int((ordered[:, apart:] == ordered[:, :-apart]).sum())
    return again


def _slices(order: SampleOrder, starts: np.ndarray) -> Iterator[np.ndarray]:
    for time in range(order.slices):
        pieces, sequence = order.slice(time)
        yield np.concatenate([starts[block] + numbers for block, numbers in pieces])[sequence]


if __name__ == "__main__":
    main()
