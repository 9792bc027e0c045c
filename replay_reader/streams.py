"""Finds the files behind the `Dataset` and `IterableDataset` that load_dataset returned.

`datasets` is never imported here: the owner of such an object has already imported it.
"""

import os
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import DatasetError

if TYPE_CHECKING:
    import datasets

    from .catalog import Catalog

Dataset: TypeAlias = "str | os.PathLike[str] | datasets.Dataset | datasets.IterableDataset | Catalog"
"""What readers accept as a dataset."""


def is_table(dataset: Any) -> bool:
    """Returns whether it is a prepared `Dataset`."""
    library = sys.modules.get("datasets")
    return library is not None and isinstance(dataset, library.Dataset)


def is_stream(dataset: Any) -> bool:
    """Returns whether it is an `IterableDataset`."""
    library = sys.modules.get("datasets")
    return library is not None and isinstance(dataset, library.IterableDataset)


def files_of_stream(stream: Any) -> tuple[list[str], str | bool | None]:
    """Returns the Parquet files and the token behind a stream that is unchanged since it was loaded.

    Raises:
        DatasetError: the stream was changed, or has a different origin.
    """
    return _files_of_source(stream._ex_iterable)


def _files_of_source(source: Any) -> tuple[list[str], str | bool | None]:
    parts = getattr(source, "ex_iterables", None)
    if isinstance(parts, list) and parts and type(source).__name__.startswith("VerticallyConcatenated"):
        found = [_files_of_source(part) for part in parts]
        return [file for files, _ in found for file in files], found[0][1]
    kwargs = getattr(source, "kwargs", None)
    files = kwargs.get("files") if isinstance(kwargs, dict) else None
    if not files or any(not str(file).endswith(".parquet") for file in files):
        raise DatasetError(
            "this IterableDataset is not as load_dataset(…, streaming=True) gives one of a built dataset; "
            "give the dataset's folder or repo instead, or build it first"
        )
    builder = getattr(getattr(source, "generate_tables_fn", None), "__self__", None)
    filters = getattr(getattr(builder, "config", None), "filters", None)
    parts = kwargs.get("row_groups_list") if isinstance(kwargs, dict) else None
    if filters is not None or any(part is not None for part in parts or ()):
        raise DatasetError(
            "this IterableDataset was loaded with filters or resharded; give it as it was without, and "
            "choose episodes with EpisodeFilter: frames are stacked from neighbouring rows"
        )
    return [str(file) for file in files], getattr(builder, "token", None)
