"""Finds the device that an agent learns on, and says what is wrong with it."""

import contextlib
from collections.abc import Iterator

from .errors import AgentError

INSTALL = "pip install 'atari-dqn-replay[agents]'"


def require_torch() -> None:
    """Check that PyTorch is installed.

    Raises:
        AgentError: it is not.
    """
    try:
        import torch  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise AgentError(f"agents need PyTorch, which is not installed: {INSTALL}") from None


def find_device(name: str | None) -> str:
    """Returns the name of a device that works; without a name, a GPU if there is one, else the CPU.

    Raises:
        AgentError: there is no such device.
    """
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise AgentError(
            f"device {name!r} cannot be used ({reason}); expected cpu, or cuda with a GPU"
        ) from None
    return name


@contextlib.contextmanager
def explaining_full_memory() -> Iterator[None]:
    """Turn a lack of memory, on a GPU or not, into an error that says what helps.

    Raises:
        AgentError: the memory does not suffice.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise AgentError(_too_little("the device", str(error))) from None
    except MemoryError as error:
        raise AgentError(_too_little("this machine", str(error))) from None
    except RuntimeError as error:  # PyTorch has no class of its own for a lack of the CPU's memory
        if "DefaultCPUAllocator" not in str(error):
            raise
        reason = str(error).partition("DefaultCPUAllocator: ")[2]
        raise AgentError(_too_little("this machine", reason)) from None


def _too_little(where: str, reason: str) -> str:
    found = (reason or "none is left").splitlines()[0]
    return (
        f"{where} has too little memory ({found}); a smaller --batch-size, --network or --outputs-per-action "
        f"needs less"
    )
