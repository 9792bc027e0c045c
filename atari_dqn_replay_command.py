"""Where the command `atari-dqn-replay` begins: outside the package, whose import takes most of a second."""

import sys


def main() -> int:
    """Run the command, of which Ctrl-C leaves one line even while the package is still being imported."""
    try:
        from atari_dqn_replay.builder.command_line import main as run

        return run()
    except KeyboardInterrupt:
        print("atari-dqn-replay: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
