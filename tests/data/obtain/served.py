"""A web server on this machine that answers as it is told, and small archives for it to give out."""

import io
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BODY = bytes(i * 7 % 251 for i in range(300_000))


@dataclass
class Answer:
    """One answer: `cut` ends the body after so many bytes; `stall` holds the connection there instead;
    `chunked` sends pieces and no length, as GitHub does."""

    body: bytes = BODY
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    ranges: bool = True
    cut: int | None = None
    stall: bool = False
    length: bool = True
    chunked: bool = False
    drip: float = 0


@dataclass
class Server:
    """Gives `answers` one by one, the last one for ever; remembers what was asked and how much was sent."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def give(self, *answers: Answer) -> str:
        """From now on these are the answers; the address to ask."""
        self.answers, self.asked, self.sent = list(answers), [], []
        return f"{self.url}/set.zip"


def answer(handler: BaseHTTPRequestHandler, said: Answer, state: Server) -> None:
    status, body, headers = said.status, said.body, dict(said.headers)
    span, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
    fresh = condition is not None and condition in (headers.get("ETag"), headers.get("Last-Modified"))
    if span and said.ranges and status == 200 and fresh:
        start = int(span.removeprefix("bytes=").rstrip("-"))
        status = 206 if start < len(body) else 416
        seen = f"{start}-{len(body) - 1}" if status == 206 else "*"
        headers["Content-Range"] = f"bytes {seen}/{len(body)}"
        body = body[start:]
    if said.chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif said.length:
        headers.setdefault("Content-Length", str(len(body)))
    else:
        headers["Connection"] = "close"
    part = body if said.cut is None else body[: said.cut]
    # Before the client can have seen anything of it: tests look as soon as it has.
    state.sent.append(len(part))
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if said.drip:
        for byte in part:
            handler.wfile.write(bytes([byte]))
            if state.done.wait(said.drip):
                return
    if said.chunked:
        for start in range(0, len(part), 70_001):
            piece = part[start : start + 70_001]
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n" if said.cut is None else b"")
    else:
        handler.wfile.write(part)
    if said.stall:
        state.done.wait(20)
    handler.close_connection = said.cut is not None or not said.length


class Quiet(ThreadingHTTPServer):
    """A server that takes a client's hanging up as what the test wanted."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.asked.append(dict(self.headers))
            said = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            try:
                answer(self, said, state)
            except OSError:
                # The client left: some tests are about that.
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    http = Quiet(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield state
    finally:
        state.done.set()
        http.shutdown()
        http.server_close()
        thread.join()


def zipped(files: dict[str, bytes], level: int = 6) -> bytes:
    """A zip of these files, in this order."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def below(folder: Path) -> list[str]:
    """Everything below a folder, hidden things too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))
