"""The entry of the command `atari-dqn-replay`: Ctrl-C is one line from the first moment on."""

import os
import signal
import sys


def main() -> int:
    """Run the command; returns its exit code, 130 after Ctrl-C, even while modules are being imported."""
    # `load_dataset`, which `verify` and `demo` call, imports torch where it is installed: of no use there,
    # and Ctrl-C meanwhile would be an abort.
    os.environ.setdefault("USE_TORCH", "0")
    try:
        from atari_dqn_replay.builder.terminal.ctrl_c import noticed_while_waiting
        from atari_dqn_replay.commands.main import main as run

        with noticed_while_waiting():
            status = run()
        # All is done: while Python ends, Ctrl-C must not make it look otherwise.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        print("atari-dqn-replay: stopped", file=sys.stderr)
        status = 130
    if status == 130:
        # All is cleaned up, but a library that was interrupted while it was imported can crash Python's end.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
