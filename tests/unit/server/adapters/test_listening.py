"""What is said when an address or a port cannot be had."""

import socket

import pytest

from watchword.server.adapters.listening import CannotListen, listen


@pytest.mark.parametrize("host", ["999.1.1.1", "198.51.100.7", "no such host", "a..b", "a" * 300, "::zz"])
def test_an_address_that_is_not_ours_is_told_by_the_flag_that_names_it(host: str) -> None:
    with pytest.raises(CannotListen) as caught:
        listen([host], 0)
    assert str(caught.value).startswith(f"cannot listen on {host}: ")
    assert str(caught.value).endswith("; choose another address with --host")


def test_a_port_that_is_taken_is_told_by_the_flag_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen) as caught:
            listen(["127.0.0.1"], port)
    assert f"on 127.0.0.1 port {port}: " in str(caught.value)
    assert str(caught.value).endswith("; choose another with --port")
