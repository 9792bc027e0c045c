"""The YAML at the top of a README, edited key by key: keys that are not edited keep every byte."""

import functools
import re
from collections.abc import Collection, Mapping
from typing import Any

import yaml
from huggingface_hub.repocard import REGEX_YAML_BLOCK, DatasetCard

from ..errors import OutputError
from ..format.card_yaml import FAULTS, LOADER
from ..format.configs import PREVIEW, all_config_names
from .repetition import FlowMapping, represent_flow

_FASTEST_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_FASTEST_DUMPER):
    """Writes mappings on one line where that is asked for."""


_Dumper.add_representer(FlowMapping, represent_flow)

_END_OF_DOCUMENT = re.compile(r"^\.\.\.(?:[ \t].*)?\n(?=(?:[ \t]*(?:#.*)?\n)*\Z)", re.MULTILINE)
"""The line `...`, which may end a document: no key may follow it."""

_COMMENTS = re.compile(r"(?:^#.*\n)*")
_ANCHOR = re.compile(r"^( *(?:- )?\w+: [&*])id(\d+)$", re.MULTILINE)
_COMMENTS_AT_END = re.compile(r"(?:^#.*\n)*\Z", re.MULTILINE)


def decode_readme(content: bytes, where: str) -> str:
    """Returns a README's text.

    Raises:
        OutputError: it is not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise OutputError(f"{where}: its README.md is not UTF-8 text; fix it first") from None


def check_readme(readme: str, where: str) -> None:
    """Check a README with the parsers through which `datasets` reads it; they read less than libyaml does.

    Raises:
        OutputError: the parsers do not read it.
    """
    try:
        _parse_as_datasets(readme)
    except (ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise OutputError(
            f"{where}: README.md: `datasets` cannot read its YAML ({reason}); fix it first"
        ) from None


@functools.lru_cache(maxsize=4)
def _parse_as_datasets(readme: str) -> None:
    """Parse a README; what one commit writes is what the next one finds, and a whole card takes a second."""
    data: Any = DatasetCard(readme).data
    if _has_own_entries(data.to_dict()):
        # Imported only then, since it takes longer than a small build.
        from datasets.info import DatasetInfosDict
        from datasets.utils.metadata import MetadataConfigs

        MetadataConfigs.from_dataset_card_data(data)
        DatasetInfosDict.from_dataset_card_data(data)


def _has_own_entries(data: Mapping[str, Any]) -> bool:
    """Returns whether people have added configs of their own, which `datasets` reads before it finds ours."""
    ours = {*all_config_names(), PREVIEW}
    entries = [data.get(key) or [] for key in ("configs", "dataset_info")]
    return any(
        not isinstance(entry, dict) or entry.get("config_name") not in ours
        for listed in entries
        for entry in (listed if isinstance(listed, list) else [listed])
    )


class FrontMatter:
    """A YAML mapping that remembers each key's text; comments above a key belong to it.

    Raises:
        OutputError: `text` is not a YAML mapping.
    """

    def __init__(self, text: str) -> None:
        text = _END_OF_DOCUMENT.sub("", text.rstrip("\n") + "\n") if text.strip() else ""
        try:
            loader = LOADER(text)
            node = loader.get_single_node()
            self._values: dict[str, Any] = loader.construct_document(node) if node else {}
        except FAULTS as error:
            raise OutputError(f"README.md: its YAML cannot be read; fix it first ({error})") from None
        if node is not None and not isinstance(node, yaml.MappingNode):
            raise OutputError("README.md: its YAML is not a list of `key: value`; fix it first")
        self._texts = _texts_of_keys(text, node, self._values) if node else {}

    @classmethod
    def split(cls, readme: str) -> tuple["FrontMatter", str]:
        """Split a README into its YAML, empty if it has none, and its text."""
        block = REGEX_YAML_BLOCK.search(readme)
        return (cls(block[2]), readme[block.end() :]) if block else (cls(""), readme)

    def get(self, key: str) -> Any:
        """Returns the key's value, or None."""
        return self._values.get(key)

    def set(self, key: str, value: Any, above: Collection[str] = ()) -> None:
        """Set the key, or remove it if the value is None; an unchanged value keeps its text as it is.

        A new key goes above the first of the keys in `above`, or else at the end.
        """
        if value == self.get(key):
            return
        if value is None:
            del self._values[key], self._texts[key]
            return
        self._values[key] = value
        comments = _COMMENTS.match(self._texts.get(key, ""))
        text = (comments[0] if comments else "") + _dump({key: value})
        if key in self._texts:
            self._texts[key] = text
        else:
            texts = list(self._texts.items())
            place = next((place for place, (name, _) in enumerate(texts) if name in above), len(texts))
            self._texts = dict([*texts[:place], (key, text), *texts[place:]])

    def __str__(self) -> str:
        return f"---\n{''.join(self._texts.values())}---\n"


def _dump(value: dict[str, Any]) -> str:
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20)
    # An anchor's name must not occur twice in one document, and each key is dumped by itself.
    initial = next(iter(value))[0]
    return _ANCHOR.sub(lambda anchor: f"{anchor[1]}{initial}{int(anchor[2])}", text)


def _texts_of_keys(text: str, node: yaml.MappingNode, values: dict[str, Any]) -> dict[str, str]:
    if node.flow_style:
        return {key: _dump({key: value}) for key, value in values.items()}
    starts = [0]
    for key, _ in node.value[1:]:
        before = _COMMENTS_AT_END.search(text, starts[-1], key.start_mark.index)
        starts.append(before.start() if before else key.start_mark.index)
    names = [key.value for key, _ in node.value]
    return {
        name: text[start:end]
        for name, start, end in zip(names, starts, [*starts[1:], len(text)], strict=True)
    }
