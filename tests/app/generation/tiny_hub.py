"""A model hub on this machine that speaks as much of the Hugging Face hub's protocol as downloading needs."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "c0ffee" * 6 + "c0ff"


class Hub(BaseHTTPRequestHandler):
    """Serves the folders of `root`, two deep, as repositories with one commit.

    Attributes:
        root: set by `serve_hub`.
    """

    root: Path

    def do_HEAD(self) -> None:
        """What a file is."""
        self._answer(with_body=False)

    def do_GET(self) -> None:
        """A file, or what a repository holds."""
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        steps = self.path.partition("?")[0].strip("/").split("/")
        if steps[:2] == ["api", "models"] and (self.root / steps[2] / steps[3]).is_dir():
            self._send(json.dumps(self._listing(Path(steps[2], steps[3]), steps[4:])).encode(), {}, with_body=with_body)
        elif steps[2:3] == ["resolve"] and (file := self.root.joinpath(*steps[:2], *steps[4:])).is_file():
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            self._send(file.read_bytes(), {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT}, with_body=with_body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _listing(self, repository: Path, asked: list[str]) -> object:
        folder = self.root / repository
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        names = [str(file.relative_to(folder)) for file in files]
        if asked[:1] == ["tree"]:
            entries = zip(names, files, strict=True)
            return [{"type": "file", "path": name, "size": file.stat().st_size, "oid": name} for name, file in entries]
        return {"id": str(repository), "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}

    def _send(self, body: bytes, headers: dict[str, str], *, with_body: bool) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quietly."""


@contextmanager
def serve_hub(root: Path) -> Iterator[str]:
    """The address of a hub with the repositories `root/owner/name`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnHub", (Hub,), {"root": root}))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
