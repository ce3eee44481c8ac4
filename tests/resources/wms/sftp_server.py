"""A real sshd on 127.0.0.1 for one test session: its own host key, configuration, port and keys.

It runs as the current user, who logs in with a key. Passwords need no server of the system, so a
second server (paramiko's) is not needed: that the login goes wrong is shown with another key.
"""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = "/usr/sbin/sshd"


@dataclass(frozen=True)
class SftpServer:
    """Where the server is and who may enter."""

    port: int
    user: str
    root: Path
    host_key: str
    key_file: Path
    other_key: str
    other_key_file: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"sftp://{self.user}@127.0.0.1:{self.port}{self.root}"


@contextmanager
def sftp_server(folder: Path) -> Iterator[SftpServer]:
    """Start sshd on a free port and stop it by its own process id."""
    root = folder / "partner"
    root.mkdir()
    for name in ("host", "login", "other"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    allowed = folder / "authorized_keys"
    shutil.copy(folder / "login.pub", allowed)
    allowed.chmod(0o600)
    port = _free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"""Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {allowed}
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""
    )
    # sshd drops privileges into this folder; it exists where the service has run once.
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=log)
    try:
        _wait_for(port, process, folder / "log")
        yield SftpServer(
            port=port,
            user=getpass.getuser(),
            root=root,
            host_key=_public(folder / "host.pub"),
            key_file=folder / "login",
            other_key=_public(folder / "other.pub"),
            other_key_file=folder / "other",
            process=process,
        )
    finally:
        process.terminate()
        process.wait(timeout=10)


def _public(path: Path) -> str:
    return " ".join(path.read_text().split()[:2])


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"sshd does not answer: {log.read_text()}")
