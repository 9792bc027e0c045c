"""Ctrl-C: put off while processes start, and noticed whatever the main thread waits for."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

AGAIN_AFTER = (0.1, 1.0, 5.0)
"""Seconds from one waking of the main thread to the next, for one signal."""


@contextlib.contextmanager
def put_off() -> Iterator[None]:
    """Let the threads and processes started in this block never see Ctrl-C, not even during their imports.

    They inherit the blocked signal; for the thread that starts them it waits until the block ends.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def noticed_while_waiting() -> Iterator[None]:
    """Let the main thread notice Ctrl-C even if it came just before a wait began.

    Python handles a signal between two instructions, or when the signal wakes what the main thread waits for.
    One that arrives in the moment between the two is handled after the wait, which for a silent server may be
    never. A thread wakes the main thread again, by SIGURG, which means nothing otherwise: the Go runtime uses
    it in this way. To be entered on the main thread.
    """
    if not hasattr(signal, "pthread_kill"):  # on Windows
        yield
        return
    main_thread = threading.get_ident()
    signals, end = os.pipe()
    os.set_blocking(end, False)

    def wake() -> None:
        while number := os.read(signals, 1):
            if number[0] == signal.SIGINT:
                for seconds in AGAIN_AFTER:
                    time.sleep(seconds)
                    signal.pthread_kill(main_thread, signal.SIGURG)
        os.close(signals)

    handler = signal.signal(signal.SIGURG, lambda *_: None)
    others = signal.set_wakeup_fd(end, warn_on_full_buffer=False)
    with put_off():  # or the thread would take a signal that the main thread has put off
        threading.Thread(target=wake, name="ctrl-c", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(others)
        signal.signal(signal.SIGURG, handler)
        os.close(end)
