"""What a request must be before a route sees it: from a page of our own, asked for by a name that is ours.

A server on one's own machine can be reached by every page that one's browser shows. Two ways are closed here: a
stranger's page that posts to us (the browser names it in Origin), and a stranger's name that begins to mean 127.0.0.1
once its page is loaded (DNS rebinding; the browser names it in Host).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(:\d{1,5})?")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses what is not ours with 403 and one line; puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, ours: Callable[[str], bool]) -> None:
        """Let hosts through that are `ours`."""
        self.app, self.ours = app, ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        problem = refusal(scope["method"], Headers(scope=scope), self.ours)
        app = PlainTextResponse(problem, 403) if problem else self.app
        await app(scope, receive, headed)


def refusal(method: str, headers: Headers, ours: Callable[[str], bool]) -> str:
    """Return why a request is refused, empty if it is not."""
    host = HOST.fullmatch(headers.get("host", ""))
    if host is None or not ours(host["name"].strip("[]").lower()):
        return "This server does not go by that name; use the address that it printed, or start it with --host."
    origin = headers.get("origin")
    if origin is None and method in ("GET", "HEAD"):
        return ""
    return "" if origin == f"http://{host[0]}" else "Only this server's own page may ask that."


def hosts_of(address: str) -> Callable[[str], bool]:
    """Return a test for the hosts that a server bound to `address` answers to.

    The address itself, and this machine's own; addresses in numbers too where it is bound to more than this machine: no
    name server can make another's of them.
    """
    near = loopback(address)

    def ours(host: str) -> bool:
        return host in (address.lower(), "localhost") or loopback(host) or (not near and numeric(host))

    return ours


def loopback(host: str) -> bool:
    """Return whether a host is this machine alone, whatever a name server says."""
    return host == "localhost" or (numeric(host) and ipaddress.ip_address(host).is_loopback)


def numeric(host: str) -> bool:
    """Return whether a host is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
