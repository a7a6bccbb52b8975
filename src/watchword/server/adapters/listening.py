"""Listening sockets, bound before anything else starts: a port that is taken is told in one sentence."""

import errno
import socket
from collections.abc import Sequence


class CannotListen(Exception):
    """An address or port cannot be had. The text is a sentence for the operator."""


def listen(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Sockets that listen on each of ``hosts``. An IPv6 loopback that the machine does not have is left out.

    Raises:
        CannotListen: taken, not allowed, or no such address.
    """
    bound: list[socket.socket] = []
    try:
        for host in hosts:
            one = _bind(host, port, optional=bool(bound))
            if one is not None:
                bound.append(one)
    except CannotListen:
        for one in bound:
            one.close()
        raise
    return bound


def _bind(host: str, port: int, *, optional: bool) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        one = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if optional:
            return None
        raise CannotListen(f"cannot listen on {host}: {error.strerror}") from None
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((host, port))
        one.listen(1024)
    except (OSError, OverflowError, ValueError) as error:
        one.close()
        if optional and isinstance(error, OSError) and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if _is_about_the_host(error):
            raise CannotListen(f"cannot listen on {host}: {why}; choose another address with --host") from None
        raise CannotListen(f"cannot listen on {host} port {port}: {why}; choose another with --port") from None
    one.setblocking(False)
    return one


def _is_about_the_host(error: Exception) -> bool:
    """Whether no other port would help: a name that leads nowhere or cannot be one, or another machine's address."""
    return isinstance(error, socket.gaierror | ValueError) or (
        isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL
    )
