"""Where the tests find the repository, what they share, and real logs."""

from pathlib import Path

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parent.parent
DATA = SUPPORT.parent / "data"
THREE_LAPS = DATA / "three_laps"
SKIPPED_LAP = DATA / "skipped_lap"
