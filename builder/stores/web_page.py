"""Reads the page that a web server shows for a folder."""

from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

from .store import is_plain_name


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def names_in_page(page: str, url: str) -> list[str]:
    """Returns the names that a folder's page links to, only of entries directly in the folder."""
    links = _Links()
    links.feed(page)
    folder = urlsplit(url)
    base = unquote(folder.path).rstrip("/") + "/"
    names = set()
    for link in links.found:
        try:
            target = urlsplit(urljoin(url if url.endswith("/") else url + "/", link))
        except ValueError:
            continue
        path = unquote(target.path)
        name = path.removeprefix(base).rstrip("/")
        if target.hostname == folder.hostname and path.startswith(base) and is_plain_name(name):
            names.add(name)
    return sorted(names)
