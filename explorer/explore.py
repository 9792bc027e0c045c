"""Opens the explorer on this machine."""

import contextlib
import re
import sys
import webbrowser
from pathlib import Path

from huggingface_hub.constants import ENDPOINT

from ..builder.errors import AtariReplayError
from .server import ExplorerServer, serve_folder, serve_repo

_REPO = re.compile(r"[\w.-]+/[\w.-]+")


def explore(dataset: str, *, port: int = 0, opens_browser: bool = True) -> str:
    """Serve the page until Ctrl-C, and open it in the browser; returns a last word for the terminal.

    Args:
        dataset: a folder, or `user/name` on the Hub.
        port: on loopback; 0 takes a free one.
        opens_browser: whether to open the page, whose address is printed in any case.

    Raises:
        AtariReplayError: there is no such dataset, or the port is taken.
    """
    with open_server(dataset, port=port) as server:
        print(f"{dataset}: {server.url} (Ctrl-C stops it)", flush=True)
        if opens_browser and not webbrowser.open(server.url):
            print("No browser could be opened; open that address yourself.", file=sys.stderr)
        with contextlib.suppress(KeyboardInterrupt):  # this is how it is meant to end
            server.serve_forever()
    return "stopped"


def open_server(dataset: str, *, port: int = 0) -> ExplorerServer:
    """Returns a server, not yet running, for a dataset in a folder or on the Hub.

    Raises:
        AtariReplayError: there is no such dataset, or the port is taken.
    """
    folder = Path(dataset).expanduser()
    if folder.is_dir():
        return serve_folder(folder, hub=ENDPOINT, port=port)
    if _REPO.fullmatch(dataset):
        return serve_repo(dataset, hub=ENDPOINT, port=port)
    raise AtariReplayError(f"{dataset}: there is no such folder, and it is no dataset on the Hub (user/name)")
