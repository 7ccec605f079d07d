"""What can go wrong between a caller and a server.

SkelmapError
├── InvalidServer         no client: an address, a key or a time-out that cannot be used
├── InvalidPhoto          not sent: no file, or an array that is no picture
├── InvalidDocument       not sent: a pose document that JSON cannot hold
├── NotReachable          nobody answered
│   └── TimedOut          not in time
├── UnexpectedAnswer      somebody answered, but not a Skelmap server
└── RequestFailed         the server answered with an error; carries status, title, detail and findings
    ├── InvalidRequest    400, 422: a parameter, a damaged photo or a document that cannot be read
    ├── KeyRefused        401, 403: the API key is missing or wrong
    ├── PhotoRefused      413, 415: too large, or no JPEG, PNG or WebP
    ├── Unavailable       429, 502, 503, 504: not now; carries when to come back
    └── ServerFailed      any other 5xx
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_REASON_LENGTH = 300


def one_line(text: str) -> str:
    """What somebody else wrote, for a message: on one line, and cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_REASON_LENGTH else line[: MAX_REASON_LENGTH - 3] + "..."


class SkelmapError(Exception):
    """Base of everything this package raises on purpose."""


class InvalidServer(SkelmapError, ValueError):
    """An address, a key or a time-out that cannot be used."""


class InvalidPhoto(SkelmapError, ValueError):
    """A photo that cannot be sent."""


class InvalidDocument(SkelmapError, ValueError):
    """A pose document that JSON cannot hold."""


class NotReachable(SkelmapError):
    """No connection, or one that broke."""


class TimedOut(NotReachable):
    """No answer in time; the server may still be at work."""


class UnexpectedAnswer(SkelmapError):
    """A success that is not what a Skelmap server answers."""


@dataclass(frozen=True)
class Finding:
    """What is wrong with one value of a request.

    Attributes:
        field: its name.
        message: what is wrong.
        value: what the server saw; None where it does not say.
        choices: the valid values, empty where there is no list of them.
    """

    field: str
    message: str
    value: object = None
    choices: tuple[str, ...] = ()


class RequestFailed(SkelmapError):
    """The server refused or failed; `str()` is one line with address, status and reason.

    Attributes:
        url: what was asked.
        status: HTTP status.
        title: kind of the problem, empty where the answer was no problem document.
        detail: the reason.
        request_id: to be found in the server's log; empty where the answer has none.
        findings: one per value that cannot be used.
    """

    def __init__(
        self,
        url: str,
        status: int,
        *,
        title: str = "",
        detail: str = "",
        request_id: str = "",
        findings: tuple[Finding, ...] = (),
    ) -> None:
        self.url = url
        self.status = status
        self.title = title
        self.detail = detail
        self.request_id = request_id
        self.findings = findings
        reason = one_line(": ".join(filter(None, (title, detail)))) or "no reason given"
        super().__init__(f"{url} answered {status}: {reason}")


class InvalidRequest(RequestFailed):
    """A parameter, a damaged photo or a pose document that cannot be read."""


class KeyRefused(RequestFailed):
    """The API key is missing or wrong."""


class PhotoRefused(RequestFailed):
    """Too many bytes or pixels, or a format the server does not read."""


class Unavailable(RequestFailed):
    """The server cannot answer now.

    Attributes:
        retry_after_s: seconds after which it is worth asking again, 0 where the answer does not say, None where
            waiting does not help, such as for a model that is not installed.
    """

    retry_after_s: float | None = 0.0


class ServerFailed(RequestFailed):
    """The server failed; its log has the reason."""


STATUS: dict[int, type[RequestFailed]] = {
    400: InvalidRequest,
    401: KeyRefused,
    403: KeyRefused,
    413: PhotoRefused,
    415: PhotoRefused,
    422: InvalidRequest,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
"""Error of each status; others are `ServerFailed` from 500 on and `RequestFailed` below."""
