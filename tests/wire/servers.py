"""Small servers for tests of connections: a forwarder (IPv6, TLS) and an HTTP proxy, on loopback."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest


class Server:
    """Accepts connections and serves each in a thread; counts those it has accepted."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._sockets: list[socket.socket] = []
        self.accepted = 0
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for opened in self._sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._sockets.append(client)
            threading.Thread(target=self._guarded, args=(client,), daemon=True).start()

    def _guarded(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            self.serve(client)

    def serve(self, client: socket.socket) -> None:
        raise NotImplementedError

    def pipe(self, client: socket.socket, port: int, first: bytes = b"") -> None:
        """Carry bytes both ways between a client and a port of 127.0.0.1."""
        with socket.create_connection(("127.0.0.1", port)) as server:
            self._sockets.append(server)
            server.sendall(first)
            back = threading.Thread(target=_carry, args=(server, client), daemon=True)
            back.start()
            _carry(client, server)
            back.join(5)


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        source.shutdown(socket.SHUT_RDWR)


class Forwarder(Server):
    """Another address of a server on 127.0.0.1, with TLS if a context is given."""

    def __init__(
        self, port: int, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self._target = port
        self._tls = tls
        super().__init__(host)

    def serve(self, client: socket.socket) -> None:
        if self._tls is not None:
            client = self._tls.wrap_socket(client, server_side=True)
            self._sockets.append(client)
        self.pipe(client, self._target)


class Proxy(Server):
    """An HTTP proxy: forwards absolute-URI requests, tunnels CONNECT, and records what it was asked."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        super().__init__()

    def serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65_536)
            if not data:
                return
            head += data
        text = head.partition(b"\r\n\r\n")[0].decode("latin-1")
        self.heads.append(text)
        method, address, _ = text.split("\r\n")[0].split(" ")
        port = int(address.removeprefix("http://").split("/")[0].rpartition(":")[2])
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.pipe(client, port)
        else:
            path = "/" + address.removeprefix("http://").partition("/")[2]
            first = head.replace(address.encode(), path.encode(), 1)
            first = first.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            self.pipe(client, port, first)

    @property
    def lines(self) -> list[str]:
        return [head.split("\r\n")[0] for head in self.heads]


def certificate(folder: Path) -> tuple[Path, Path, Path]:
    """Return files of a new authority, and of a certificate and key it made for 127.0.0.1."""
    with suppress(ImportError):
        return _by_trustme(folder)
    if shutil.which("openssl") is None:
        pytest.skip("needs trustme or the openssl command to make a certificate")
    return _by_openssl(folder)


def _by_trustme(folder: Path) -> tuple[Path, Path, Path]:
    import trustme

    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1", "localhost")
    files = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    authority.cert_pem.write_to_path(files[0])
    made.cert_chain_pems[0].write_to_path(files[1])
    made.private_key_pem.write_to_path(files[2])
    return files


def _by_openssl(folder: Path) -> tuple[Path, Path, Path]:
    settings = folder / "settings.cnf"
    settings.write_text(
        "[req]\ndistinguished_name=dn\n[dn]\n"
        "[authority]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
        "subjectKeyIdentifier=hash\n"
        "[leaf]\nsubjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n"
        "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )

    def openssl(*arguments: str) -> None:
        command = ["openssl", *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=20)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    new = (*curve, "-nodes", "-config", "settings.cnf")
    serial = str(time.time_ns())
    openssl(
        *("req", "-x509", *new, "-extensions", "authority", "-subj", "/CN=test authority"),
        *("-days", "2", "-keyout", "ca.key", "-out", "ca.pem"),
    )
    openssl("req", *new, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.csr")
    openssl(
        *("x509", "-req", "-in", "cert.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
        *("-set_serial", serial, "-days", "2", "-out", "cert.pem"),
        *("-extfile", "settings.cnf", "-extensions", "leaf"),
    )
    return folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
