"""What users of Ctrl-C rely on: it is noticed however it falls."""

import subprocess
import sys

from waiting import PATIENCE

WAIT = """
import signal
import threading
from atari_dqn_replay.builder.terminal.ctrl_c import noticed_while_waiting

waiting = threading.Event()

def interrupt():
    waiting.wait()
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

with noticed_while_waiting():
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        waiting.set()
        threading.Event().wait()
    except KeyboardInterrupt:
        print("noticed")
"""

BLOCK = """
import os
import signal
import time
from atari_dqn_replay.builder.terminal.ctrl_c import noticed_while_waiting, put_off

with noticed_while_waiting():
    try:
        with put_off():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            print("put off")
    except KeyboardInterrupt:
        print("noticed")
"""


def test_a_signal_that_does_not_wake_the_main_thread_is_noticed_all_the_same() -> None:
    """Sent to another thread, it stays as one that comes right before the main thread begins to wait."""
    done = subprocess.run(
        [sys.executable, "-c", WAIT], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stdout == "noticed\n", done.stderr


def test_the_main_thread_can_put_it_off() -> None:
    """As it does while it starts processes, so that they do not see it."""
    done = subprocess.run([sys.executable, "-c", BLOCK], capture_output=True, text=True, check=False)
    assert done.stdout == "put off\nnoticed\n", done.stderr
