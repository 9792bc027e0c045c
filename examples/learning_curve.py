"""Prints the mean return of the episodes of each checkpoint, with a bar: how the agents learned.

    python examples/learning_curve.py dataset pong
    python examples/learning_curve.py me/atari-dqn-replay pong --split run_2

Needs nothing but `datasets`: the episodes table is one small Parquet file per checkpoint.
"""

import argparse

from datasets import load_dataset

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("dataset", help="folder or Hub repo")
parser.add_argument("game", help="e.g. pong")
parser.add_argument("--split", default="run_1", help="the agent: run_1 … run_5 (default: run_1)")
arguments = parser.parse_args()

columns = ["checkpoint", "return", "complete"]
episodes = load_dataset(arguments.dataset, f"{arguments.game}-episodes", split=arguments.split)
table = episodes.select_columns(columns).to_pandas()
returns = table[table["complete"]].groupby("checkpoint")["return"].agg(["mean", "std", "count"])

low, high = returns["mean"].min(), returns["mean"].max()
print("checkpoint  episodes     mean ± std")
for checkpoint, (mean, spread, count) in returns.iterrows():
    bar = "█" * round(40 * (mean - low) / (high - low or 1))
    print(f"{checkpoint:10}  {count:8.0f}  {mean:7.1f} ± {spread:<6.1f} {bar}")
