"""Reads a `tf.train.Example`, a record's named lists of bytes, floats or integers, without TensorFlow.

The message is defined by `tensorflow/core/example/example.proto` and `feature.proto`. A feature stays packed
until it is requested, so that looking at a record's numbers does not unpack its frames.
"""

from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from ...errors import SourceError


class Example:
    """The features of one record.

    Args:
        data: the record's bytes.
        where: the record's name in messages.

    Raises:
        SourceError: the bytes are not an Example, or hold a feature twice; from the other methods: a feature
            is missing or has the wrong type.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self.where = where
        self.size = len(data)
        entries = self._parse("Example", data, "record").features.feature
        self._packed: dict[str, bytes] = {entry.key: entry.value for entry in entries}
        if len(self._packed) < len(entries):
            raise SourceError(f"{where}: holds a feature twice; copy the file again")

    @property
    def names(self) -> list[str]:
        """Returns the features' names, sorted."""
        return sorted(self._packed)

    def blobs(self, name: str) -> list[bytes]:
        """Returns a feature's list of bytes."""
        return list(self._values(name, "bytes_list"))

    def floats(self, name: str) -> np.ndarray:
        """Returns a feature's list of floats, shape (n,), float32."""
        return np.array(self._values(name, "float_list"), np.float32)

    def integers(self, name: str) -> np.ndarray:
        """Returns a feature's list of integers, shape (n,), int64."""
        return np.array(self._values(name, "int64_list"), np.int64)

    def number(self, name: str) -> float:
        """Returns the value of a feature that is a single float."""
        return float(self._one(name, self.floats(name)))

    def integer(self, name: str) -> int:
        """Returns the value of a feature that is a single integer."""
        return int(self._one(name, self.integers(name)))

    def _one(self, name: str, values: np.ndarray) -> Any:
        if len(values) != 1:
            raise SourceError(f"{self.where}: {name} has {len(values):,} values, expected one")
        return values[0]

    def _values(self, name: str, kind: str) -> Any:
        if name not in self._packed:
            raise SourceError(f"{self.where}: lacks {name}; it has {', '.join(self.names) or 'no features'}")
        feature = self._parse("Feature", self._packed[name], name)
        found = feature.WhichOneof("kind")
        if found is None:  # an empty list may be written as nothing at all
            return ()
        if found != kind:
            raise SourceError(f"{self.where}: {name} is a {found}, expected a {kind}")
        return getattr(feature, kind).value

    def _parse(self, message: str, data: bytes, what: str) -> Any:
        try:
            return _MESSAGES[message].FromString(data)
        except DecodeError as error:
            raise SourceError(f"{self.where}: the {what} is not a tf.train.Example ({error})") from None


def _messages() -> dict[str, Any]:
    """Returns the message classes, in a separate pool: TensorFlow may define its own in the same process."""
    types = descriptor_pb2.FieldDescriptorProto
    package = "atari_dqn_replay"
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    fields: dict[str, list[tuple[str, int, int, str]]] = {
        "Example": [("features", types.LABEL_OPTIONAL, types.TYPE_MESSAGE, "Features")],
        "Features": [("feature", types.LABEL_REPEATED, types.TYPE_MESSAGE, "Entry")],
        "Entry": [
            ("key", types.LABEL_OPTIONAL, types.TYPE_STRING, ""),
            ("value", types.LABEL_OPTIONAL, types.TYPE_BYTES, ""),
        ],
        "Feature": [
            ("bytes_list", types.LABEL_OPTIONAL, types.TYPE_MESSAGE, "BytesList"),
            ("float_list", types.LABEL_OPTIONAL, types.TYPE_MESSAGE, "FloatList"),
            ("int64_list", types.LABEL_OPTIONAL, types.TYPE_MESSAGE, "Int64List"),
        ],
        "BytesList": [("value", types.LABEL_REPEATED, types.TYPE_BYTES, "")],
        "FloatList": [("value", types.LABEL_REPEATED, types.TYPE_FLOAT, "")],
        "Int64List": [("value", types.LABEL_REPEATED, types.TYPE_INT64, "")],
    }
    for name, members in fields.items():
        message = file.message_type.add(name=name)
        for number, (field, label, kind, of) in enumerate(members, start=1):
            added = message.field.add(name=field, number=number, label=label, type=kind)
            if of:
                added.type_name = f".{package}.{of}"
            if name == "Feature":
                added.oneof_index = 0
        if name == "Feature":
            message.oneof_decl.add(name="kind")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in fields
    }


_MESSAGES = _messages()
