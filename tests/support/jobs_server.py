"""Serves Hugging Face Jobs on loopback: a Job's command is run here, without a container."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from loopback_server import LoopbackServer


@dataclass
class JobsServer:
    """The state of the server and the requests it received."""

    url: str = ""
    started: list[dict[str, Any]] = field(default_factory=list)
    """The specification of each Job."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    """HTTP error statuses to answer with first."""

    def start(self, spec: dict[str, Any]) -> int:
        """Run the module, without installing the package."""
        self.started.append(spec)
        command = spec["command"]
        assert command[:2] == ["sh", "-c"]
        self.processes.append(
            subprocess.Popen([sys.executable, "-m", *command[4:]], stderr=subprocess.DEVNULL)
        )
        return len(self.processes) - 1

    def describe(self, number: int) -> dict[str, Any]:
        """Returns a Job's description, as the Hub sends it."""
        code = self.processes[number].poll()
        stage = "RUNNING" if code is None else "COMPLETED" if code == 0 else "ERROR"
        status = {"stage": "CANCELED" if number in self.cancelled else stage, "message": None}
        owner = {"id": "1", "name": "lab", "type": "org"}
        return {"id": str(number), "status": status, "owner": owner}


@contextlib.contextmanager
def running_jobs() -> Iterator[JobsServer]:
    """Run a server that knows the user `me`."""
    jobs = JobsServer()
    server = LoopbackServer(type("Handler", (_Handler,), {"jobs": jobs}))
    jobs.url = server.url
    try:
        with server.running():
            yield jobs
    finally:
        for process in jobs.processes:
            process.kill()
            process.wait()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    jobs: JobsServer

    def do_GET(self) -> None:
        if self.path == "/api/whoami-v2":
            self._send({"name": "me", "type": "user"})
        else:
            self._send(self.jobs.describe(int(self.path.rpartition("/")[2])))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/cancel"):
            number = int(self.path.split("/")[-2])
            self.jobs.cancelled.append(number)
            self.jobs.processes[number].kill()
            self._send({})
        elif self.jobs.failures:
            self._send({"error": "not now"}, self.jobs.failures.pop(0))
        else:
            self._send(self.jobs.describe(self.jobs.start({**json.loads(body), "path": self.path})))

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _send(self, answer: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
