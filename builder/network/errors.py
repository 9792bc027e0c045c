"""What the errors of the stores' client libraries mean: each library has its own way to say the same.

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
"""What huggingface_hub raises when its user wants no network."""
_BASES = {"ClientError", "TransportError", "HTTPClientError", "HTTPException", "HTTPError", "ConnectionError"}
"""Names of the libraries' base classes for what goes wrong on the way: aiohttp's, httpx's, botocore's,
http.client's, urllib3's. By name, since most of them need not be installed."""
_RATE_LIMIT = re.compile(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d+)")
"""In a RateLimit header, as the Hub sends it: nothing is left, and in t seconds there is."""
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>\\)\]}]+", re.IGNORECASE)
_SECRET = re.compile(
    r"(?i)\b(bearer +|basic +|\w*(?:token|signature|secret|password|key) *[=:] *)[^\s,;&'\")]+"
)
_LONGEST_REASON = 200


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error, if there is one."""
    for each in _with_causes(error):
        if any(base.__name__ == "HttpProcessingError" for base in type(each).mro()):
            continue  # aiohttp's for a broken answer, with a made-up 400
        response = getattr(each, "response", None)
        candidates = [getattr(each, "status", None) or getattr(each, "code", None)]
        if isinstance(response, Mapping):
            candidates.append(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        else:
            candidates.append(getattr(response, "status_code", None))
        for status in candidates:
            if str(status).isdigit() and 400 <= int(str(status)) < 600:
                return int(str(status))
    # gcsfs says no more than this.
    return 403 if isinstance(error, OSError) and str(error).startswith("Forbidden") else None


def retry_after(error: BaseException, most: float = 86400.0) -> float | None:
    """The seconds for which a server asks to be left alone; None if it does not say."""
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
    """Whether the store wants other credentials."""
    return isinstance(error, PermissionError) or status_of(error) in DENIED


def is_network_failure(error: BaseException) -> bool:
    """Whether the error comes from the network, a server or a disk, and not from a mistake in the request."""
    names = {base.__name__ for base in type(error).mro()}
    # What should be JSON and is not comes from a proxy, or was cut short.
    is_on_the_way = isinstance(error, OSError | EOFError | json.JSONDecodeError) or bool(_BASES & names)
    return is_on_the_way or status_of(error) is not None


def is_final(error: BaseException) -> bool:
    """Whether trying again would give the same."""
    if isinstance(error, _FINAL) or type(error).__name__ == _OFFLINE:
        return True
    status = status_of(error)
    return status not in PASSING if status is not None else not is_network_failure(error)


def describe_error(error: BaseException) -> str:
    """The error in one short line, without credentials."""
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
    """The URL as it may be shown: no user, password or query, where signatures travel."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def hide_credentials(text: str) -> str:
    """A message of another library as it may be shown."""
    return _SECRET.sub(r"\1…", _URL.sub(lambda url: _safe_url(url[0]), text))


def _safe_url(url: str) -> str:
    try:
        return without_credentials(url)
    except ValueError:
        return "…"


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
    """Of a Retry-After: a number or a date."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
