"""Locates the repository, what the tests share, and real logs."""

from pathlib import Path

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parent.parent
DATA = SUPPORT.parent / "data"
THREE_LAPS = DATA / "three_laps"
SKIPPED_LAP = DATA / "skipped_lap"
