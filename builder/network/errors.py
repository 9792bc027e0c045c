"""What the errors of the stores' client libraries mean: each library reports the same failures differently.

aiohttp, httpx, botocore, gcsfs and huggingface_hub carry the HTTP status and headers in different places,
and s3fs and gcsfs turn some into plain OSErrors that keep only the text.
"""

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

PASSING = frozenset({408, 425, 429, *range(500, 600)} - {501, 505})
"""HTTP statuses of failures that may pass."""

DENIED = frozenset({401, 402, 403, 407})

_FINAL = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
_OFFLINE = "OfflineModeIsEnabled"
"""The exception of huggingface_hub when its user wants no network."""
_BASES = {"ClientError", "TransportError", "HTTPClientError", "HTTPException", "HTTPError", "ConnectionError"}
"""Names of the libraries' base classes for failures on the way: aiohttp's, httpx's, botocore's,
http.client's, urllib3's. They are matched by name, since most of the libraries need not be installed."""
_RATE_LIMIT = re.compile(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d+)")
"""Matches a RateLimit header, as the Hub sends it: nothing is left for the next t seconds."""
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>\\)\]}]+", re.IGNORECASE)
_SECRET = re.compile(
    r"(?i)\b(bearer +|basic +|\w*(?:token|signature|secret|password|key) *[=:] *)[^\s,;&'\")]+"
)
_LONGEST_REASON = 200


def status_of(error: BaseException) -> int | None:
    """Returns the HTTP status behind an error, if there is one."""
    for each in _with_causes(error):
        if any(base.__name__ == "HttpProcessingError" for base in type(each).mro()):
            continue  # aiohttp's error for a broken answer, with a made-up 400
        response = getattr(each, "response", None)
        candidates = [getattr(each, "status", None) or getattr(each, "code", None)]
        if isinstance(response, Mapping):
            candidates.append(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        else:
            candidates.append(getattr(response, "status_code", None))
        for status in candidates:
            if str(status).isdigit() and 400 <= int(str(status)) < 600:
                return int(str(status))
    # gcsfs reports no more than this.
    return 403 if isinstance(error, OSError) and str(error).startswith("Forbidden") else None


def retry_after(error: BaseException, most: float = 86400.0) -> float | None:
    """Returns the seconds for which a server asks not to be called; None if it does not say."""
    is_too_often = status_of(error) == 429
    for each in _with_causes(error):
        for headers in _headers(each):
            if is_too_often and (limit := _RATE_LIMIT.search(str(headers.get("RateLimit", "")))):
                return min(most, float(limit[1]))
            value = headers.get("Retry-After") or headers.get("retry-after")
            if value is not None:
                return min(most, _seconds(str(value)))
    return None


def is_denied(error: BaseException) -> bool:
    """Returns whether the store demands other credentials."""
    return isinstance(error, PermissionError) or status_of(error) in DENIED


def is_network_failure(error: BaseException) -> bool:
    """Returns whether the error comes from the network, a server or a disk, not from a faulty request."""
    names = {base.__name__ for base in type(error).mro()}
    # What should be JSON and is not comes from a proxy, or was cut off.
    is_on_the_way = isinstance(error, OSError | EOFError | json.JSONDecodeError) or bool(_BASES & names)
    return is_on_the_way or status_of(error) is not None


def is_final(error: BaseException) -> bool:
    """Returns whether trying again would fail in the same way."""
    if isinstance(error, _FINAL) or type(error).__name__ == _OFFLINE:
        return True
    status = status_of(error)
    return status not in PASSING if status is not None else not is_network_failure(error)


def describe_error(error: BaseException) -> str:
    """Returns the error in one short line, without credentials."""
    status = status_of(error)
    if isinstance(getattr(error, "status", None), int) and isinstance(getattr(error, "message", None), str):
        return f"{status} {error.message}"  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(error, OSError) and error.strerror and status is None:
        return hide_credentials(error.strerror)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    text = hide_credentials(lines[0])
    if status is not None and str(status) not in text:
        text = f"{status}: {text}"
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"


def without_credentials(url: str) -> str:
    """Returns the URL for display: without user, password and query, which may hold signatures."""
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:  # such as `http://[::1`, of which nothing is known to be no credential
        return f"{url.partition('://')[0]}://…"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def hide_credentials(text: str) -> str:
    """Returns a message of another library for display, without credentials."""
    return _SECRET.sub(r"\1…", _URL.sub(lambda url: without_credentials(url[0]), text))


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in seen:
        seen.append(each)
        yield each
        each = each.__cause__


def _headers(error: BaseException) -> Iterator[Mapping[str, Any]]:
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        yield response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    for holder in (error, response):
        headers = getattr(holder, "headers", None)
        if isinstance(headers, Mapping):
            yield headers


def _seconds(value: str) -> float:
    """Returns the seconds that a Retry-After value means: a number or a date."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
