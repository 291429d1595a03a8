"""Checks that ask somebody else: a webhook, a log, the addresses a text names."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from portkey_local.checks.requests import TYPES
from portkey_local.effects import Fetch, Raised, Route, Run
from portkey_local.hooks import Check, CheckContext, CheckResult, NoText
from portkey_local.model import Answer, Packet
from portkey_local.texts import request_text

URL: Final = re.compile(r"https?://[^\s,<>\"'`{}\[\]]+")
REDIRECTS: Final = 5  # how many of them one address may lead through
TIMEOUT: Final = 3.0  # seconds, the reference's
MOVED: Final = frozenset({301, 302, 303, 307, 308})
MOST: Final = 20  # addresses of one text that are looked up


class NoAnswer(Exception):
    """Nobody answered, or not as agreed; the message names no address and no text."""


def webhook(given: Mapping[str, Any]) -> Check:
    """`webhook`: an address of the user's says whether the text passes."""
    return Webhook(given["webhookURL"], given["headers"], seconds_of(given))


def log(given: Mapping[str, Any]) -> Check:
    """`log`: an address of the user's is told of the call; it always passes."""
    return Log(given["logURL"], given["headers"], seconds_of(given))


def seconds_of(given: Mapping[str, Any]) -> float:
    """Return the seconds that an address has to answer in; a config writes milliseconds."""
    return given["timeout"] / 1000 if given["timeout"] else TIMEOUT


def valid_urls(given: Mapping[str, Any]) -> Check:
    """`validUrls`: there are addresses in the text, and all answer with 2xx, or their names at
    least resolve.
    """
    return ValidUrls(dns_alone=given["onlyDNS"], negated=given["not"])


def message_of(context: CheckContext, url: str, headers: Mapping[str, str]) -> Packet:
    """Return what an address of the user's is told of a call: its JSON, never its credentials."""
    answered = context.moment == "output"
    body = {
        "request": {
            "json": context.request,
            "text": request_text(context.request),
            "isStreamingRequest": context.request.get("stream") is True,
        },
        "response": {
            "json": context.response if answered else {},
            "text": context.text if answered else "",
            "statusCode": 200 if answered else None,  # only a 200 is looked at
        },
        "provider": context.provider,
        "requestType": TYPES.get(context.endpoint, context.endpoint),
        "metadata": context.metadata,
        "eventType": "afterRequestHook" if answered else "beforeRequestHook",
    }
    content = json.dumps(body, ensure_ascii=False, default=_plain).encode()
    return Packet("POST", url, {"content-type": "application/json", **headers}, content)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Posts the call to an address, which answers `{"verdict": true}`, perhaps with `data`."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    seconds: float

    def run(self, context: CheckContext) -> Route[CheckResult]:
        """Return the verdict; raise NoAnswer where none comes."""
        answer = yield from Fetch(message_of(context, self.url, self.headers), self.seconds)
        if not isinstance(answer, Answer) or not 200 <= answer.status < 300:
            raise NoAnswer(f"status {answer.status}")
        try:
            told = json.loads(answer.content)
        except ValueError:
            raise NoAnswer("not JSON") from None
        if not isinstance(told, dict) or not isinstance(told.get("verdict"), bool):
            raise NoAnswer("no verdict")
        return CheckResult(told["verdict"], told.get("data"), body=_transformed(told, context))


def _transformed(told: Mapping[str, Any], context: CheckContext) -> Mapping[str, Any] | None:
    """Return the body that a webhook gives back in its `transformedData`."""
    side = "request" if context.moment == "input" else "response"
    data = told.get("transformedData")
    changed = data.get(side) if isinstance(data, dict) else None
    body = changed.get("json") if isinstance(changed, dict) else None
    return body if isinstance(body, dict) else None


@dataclass(frozen=True, slots=True)
class Log:
    """Posts the call to an address."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    seconds: float

    def run(self, context: CheckContext) -> Route[CheckResult]:
        """Pass; raise NoAnswer where nobody takes it."""
        answer = yield from Fetch(message_of(context, self.url, self.headers), self.seconds)
        if not isinstance(answer, Answer) or not 200 <= answer.status < 300:
            raise NoAnswer(f"status {answer.status}")
        return CheckResult(verdict=True)


@dataclass(frozen=True, slots=True)
class ValidUrls:
    """Looks up the addresses of a text, one after the other; the first bad one ends it."""

    dns_alone: bool
    negated: bool

    def run(self, context: CheckContext) -> Route[CheckResult]:
        """Return whether all of them are good; raise NoText where there is no text at all."""
        if not context.text:
            raise NoText
        urls = [_bare(url) for url in URL.findall(context.text)]
        if not urls:  # no address is valid, and none is invalid
            return CheckResult(verdict=False, data={"urls": 0})
        good = len(urls) <= MOST
        for url in urls[:MOST]:
            good = good and (yield from self._good(url))
        return CheckResult(good is not self.negated, {"urls": len(urls)})

    def _good(self, url: str) -> Route[bool]:
        host = _host(url)
        if host is None:
            return False
        if self.dns_alone:
            found = yield from Run(lambda: socket.getaddrinfo(host, None))
            return not isinstance(found, Raised)
        return (yield from self._answers(url))

    def _answers(self, url: str) -> Route[bool]:
        """Return whether an address answers with 2xx, perhaps from where it leads to."""
        for _ in range(REDIRECTS + 1):
            answer = yield from Fetch(Packet("HEAD", url, {}, None), TIMEOUT)
            if not isinstance(answer, Answer):
                return False
            further = answer.headers.get("location") if answer.status in MOVED else None
            if further is None:
                return 200 <= answer.status < 300
            url = urljoin(url, further)
            if _host(url) is None or not url.startswith(("http://", "https://")):
                return False
        return False


def _bare(url: str) -> str:
    """Return an address without what belongs to the sentence around it."""
    bare = url.rstrip(".,;:!?")
    while bare.endswith(")") and bare.count(")") > bare.count("("):
        bare = bare[:-1].rstrip(".,;:!?")
    return bare


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    return parts.hostname
