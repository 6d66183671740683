"""A stand-in for the model hub on this machine: its routes, its headers, its refusals, and faults to switch on."""

import hashlib
import json
import socket
import struct
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

TOKEN = "hf_that_opens"


@dataclass
class Hub:
    """Models as dicts of files; what was asked for; and how many times what goes wrong."""

    models: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    gets: list[tuple[str, str]] = field(default_factory=list)  # (file, range) of every transfer that began
    asked: list[str] = field(default_factory=list)  # method and path of every request
    busy: dict[str, int] = field(default_factory=dict)  # route -> times it answers that it is asked too much
    retry_after: int = 0
    failing: dict[str, int] = field(default_factory=dict)  # route -> times it answers that it is broken
    cut: dict[str, int] = field(default_factory=dict)  # file -> times that its transfer ends in the middle
    reset: dict[str, int] = field(default_factory=dict)  # file -> times that its connection is reset there
    wrong: dict[str, int] = field(default_factory=dict)  # file -> times that one byte of it is another
    short: dict[str, int] = field(default_factory=dict)  # file -> times that its end is missing, as if it had none
    slow: dict[str, float] = field(default_factory=dict)  # file -> seconds for each tenth of it
    url: str = ""

    def add(self, hub_id: str, files: dict[str, bytes]) -> None:
        self.models[hub_id] = dict(files)

    def fetched(self) -> list[str]:
        """The files that were transferred, each as often as its transfer began."""
        return sorted(file for file, _ in self.gets)

    def commit(self, hub_id: str) -> str:
        digests = [f"{name} {_git(data)}" for name, data in sorted(self.models[hub_id].items())]
        return hashlib.sha1("\n".join(digests).encode()).hexdigest()

    def entry(self, hub_id: str, name: str) -> dict:
        data = self.models[hub_id][name]
        entry = {"type": "file", "path": name, "size": len(data), "oid": _git(data)}
        if _is_large(name):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return entry


def _git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".gguf", ".onnx", ".pth", ".png"))


def _once(faults: dict[str, int], key: str) -> bool:
    """Whether a fault that is left for this key happens now."""
    if faults.get(key, 0) <= 0:
        return False
    faults[key] -= 1
    return True


@contextmanager
def serving():
    """A `Hub` that answers at its `url`."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    wbufsize = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = urlsplit(self.path).path
        self.hub.asked.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if parts[0] == "cdn":  # where large files lie; it knows nothing of accounts
            assert "Authorization" not in self.headers, "a token must not leave the hub"
            return self._send_file("/".join(parts[1:3]), "/".join(parts[3:]))
        route = "api" if parts[0] == "api" else self.command.lower()
        hub_id = "/".join(parts[2:4] if route == "api" else parts[:2])
        if refusal := self._refusal(route, hub_id):
            return self._answer(*refusal)
        if route == "api":
            return self._api(hub_id, parts[4], body)
        self._resolve(hub_id, "/".join(parts[4:]))

    do_HEAD = do_POST = do_GET

    def _refusal(self, route, hub_id):
        """Status, headers and message with which the hub refuses, as it does at huggingface.co."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if _once(self.hub.busy, route):
            return 429, {"Retry-After": self.hub.retry_after}, "Too Many Requests"
        if _once(self.hub.failing, route):
            return 503, {}, "Service Unavailable"
        if token == "hf_expired":
            return 401, {}, "Invalid credentials in Authorization header"
        if hub_id not in self.hub.models:  # without a token it does not say whether there is a private one
            return (404 if token else 401), {"X-Error-Code": "RepoNotFound"}, "Repository not found"
        if hub_id in self.hub.gated and route != "api" and token != TOKEN:  # its description is for everybody
            return (403 if token else 401), {"X-Error-Code": "GatedRepo"}, f"Access to model {hub_id} is restricted."

    def _api(self, hub_id, what, body):
        hub, files = self.hub, self.hub.models[hub_id]
        if what == "revision":
            answer = {"id": hub_id, "sha": hub.commit(hub_id), "siblings": [{"rfilename": name} for name in files]}
        elif what == "tree":
            answer = [hub.entry(hub_id, name) for name in files]
        else:
            assert what == "paths-info"
            answer = [hub.entry(hub_id, name) for name in parse_qs(body)["paths"] if name in files]
        self._answer(200, {"Content-Type": "application/json"}, body=json.dumps(answer).encode())

    def _resolve(self, hub_id, name):
        commit = {"X-Repo-Commit": self.hub.commit(hub_id)}
        if name not in self.hub.models[hub_id]:
            return self._answer(404, {**commit, "X-Error-Code": "EntryNotFound"}, "Entry not found")
        entry = self.hub.entry(hub_id, name)
        if "lfs" not in entry:
            return self._send_file(hub_id, name, {**commit, "ETag": f'"{entry["oid"]}"'})
        elsewhere = self.hub.url.replace("127.0.0.1", "localhost")  # another host, as far as the client can tell
        linked = {"X-Linked-Size": entry["size"], "X-Linked-Etag": f'"{entry["lfs"]["oid"]}"'}
        self._answer(302, {**commit, **linked, "Location": f"{elsewhere}/cdn/{hub_id}/{name}"})

    def _send_file(self, hub_id, name, headers=None):
        hub, data = self.hub, self.hub.models[hub_id][name]
        if self.command == "HEAD":
            return self._answer(200, headers or {}, body=data)
        wanted = self.headers.get("Range", "")
        hub.gets.append((name, wanted))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if _once(hub.wrong, name):
            data = data[:-1] + bytes([data[-1] ^ 1])
        if _once(hub.short, name):
            data = data[:-1]
        part = data[start:]
        self.send_response(206 if wanted else 200)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self._send(part, hub.slow.get(name, 0), _once(hub.cut, name), _once(hub.reset, name))

    def _send(self, part, slow, cut, reset):
        if cut or reset:
            part = part[: len(part) // 2]
        size = -(-len(part) // 10) if slow else len(part)
        for tenth in range(10 if slow else 1):
            time.sleep(slow)
            try:
                self.wfile.write(part[tenth * size : (tenth + 1) * size])
            except OSError:  # the other side has gone
                self.close_connection = True
                return
        if reset:
            time.sleep(0.2)  # for the other side to read what came: a reset throws it away
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        self.close_connection = cut or reset

    def _answer(self, status, headers, message="", body=b""):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, str(value))
        if message:
            self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
