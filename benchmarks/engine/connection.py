"""Addresses that may be used: who reaches an open scheduler can run any program on every member.

So without TLS only this machine's own addresses are taken, unless the user says otherwise.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from distributed import Client
from distributed.security import Security

from benchmarks.errors import EngineError, UsageError

PORT = 8786  # Dask's own


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Yield a client of a scheduler; EngineError where there is none."""
    try:
        client = Client(address, security=security(address, "client"), set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise EngineError(f"no scheduler at {address}: {error}; start one: python -m benchmarks schedule") from error
    try:
        yield client
    finally:
        client.close(timeout=5)


def checked(address: str, insecure: bool) -> str:
    """Return a scheduler's address, HOST:PORT as tcp://HOST:PORT; UsageError for what is none, or is open to others."""
    full = address if "://" in address else f"tcp://{address}"
    try:
        parts = urlsplit(full)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts_missing(host, port) or parts.scheme not in ("tcp", "tls"):
        raise UsageError(f"{address!r} is no scheduler's address; expected tls://HOST:PORT or tcp://HOST:PORT")
    if parts.scheme == "tcp" and not insecure and not own(host or ""):
        raise UsageError(
            f"{full} is not encrypted: who reaches it can run any program on every member; use tls:// (docs/engine.md"
            " makes the certificates), or --insecure in a network that you trust"
        )
    return full


def parts_missing(host: str | None, port: int | None) -> bool:
    """Return whether an address lacks a part."""
    return not host or not port


def own(host: str) -> bool:
    """Return whether a host is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def security(address: str, role: str) -> Security:
    """Return Dask's own settings of TLS for a scheduler, worker or client; UsageError where an address needs more."""
    if not address.startswith("tls://"):
        return Security()
    found = Security(require_encryption=True)
    files = found.get_tls_config_for_role(role)
    if not (files["ca_file"] and files["cert"] and files["key"]):
        prefix = "DASK_DISTRIBUTED__COMM__TLS__"
        raise UsageError(
            f"{address} needs certificates: set {prefix}CA_FILE, {prefix}{role.upper()}__CERT and __KEY, as"
            " docs/engine.md shows"
        )
    return found


def certified(security: Security) -> bool:
    """Return whether members are to use TLS: all files of the scheduler and of a worker are named."""
    files = [security.tls_ca_file]
    for role in ("scheduler", "worker"):
        found = security.get_tls_config_for_role(role)
        files += [found["cert"], found["key"]]
    if not all(files) and (any(files) or security.require_encryption):
        raise UsageError(
            f"TLS needs five files, and Dask's configuration names {sum(map(bool, files))}: set distributed.comm.tls."
            "{ca-file,scheduler.cert,scheduler.key,worker.cert,worker.key}; docs/engine.md has the commands"
        )
    return all(files)
