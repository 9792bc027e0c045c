"""Where the command `atari-dqn-replay` begins: outside the package, whose import takes most of a second."""

import os
import signal
import sys


def main() -> int:
    """Run the command, of which Ctrl-C leaves one line even while the package is still being imported."""
    # `datasets` imports torch where it is installed: of no use here, and Ctrl-C meanwhile would be an abort.
    os.environ.setdefault("USE_TORCH", "0")
    try:
        from atari_dqn_replay.commands.main import main as run

        status = run()
        # All is done: while Python ends, Ctrl-C must not make it look otherwise.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return status
    except KeyboardInterrupt:
        print("atari-dqn-replay: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
