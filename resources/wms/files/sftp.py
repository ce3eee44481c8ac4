"""Folders of a partner over SFTP.

Belongs here: the connection (host key, login, one new attempt after it broke) and the operations
of `Folder` over it. The server's key must be the one that we were told; an unknown one is never
trusted by itself, for whoever answers there would get the buyers' addresses.
"""

import socket
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import RLock
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from resources.wms.errors import WmsAuthError, WmsRetryable, WmsUnknownOutcome
from resources.wms.files.folder import Entry, hidden, is_finished

T = TypeVar("T")
_PORT = 22


@dataclass(frozen=True)
class SftpLogin:
    """Where and how to log in. Secrets are hidden from `repr`."""

    host: str
    port: int
    user: str
    root: str
    host_key: str
    """One line as `ssh-keyscan` prints it after the host: type and key."""
    secret: str | None = field(default=None, repr=False)
    """The password, or with `key_file` the passphrase of the key."""
    key_file: Path | None = None


def sftp_login(
    url: str,
    *,
    host_key: str,
    secret: str | None = None,
    key_file: Path | None = None,
) -> SftpLogin:
    """Read `sftp://user@host:port/folder`.

    Raises:
        ValueError: the URL or the key is not usable; the message names the variable.
    """
    parts = urlsplit(url)
    if parts.scheme != "sftp" or not parts.hostname or not parts.username:
        raise ValueError("WMS_FILES_DIR must be a folder or sftp://user@host:port/folder")
    if parts.password:
        raise ValueError("WMS_FILES_DIR must hold no password: set WMS_API_KEY")
    if not secret and key_file is None:
        raise ValueError("set WMS_API_KEY (the password) or WMS_SFTP_KEY_FILE")
    _parsed_key(host_key)
    return SftpLogin(
        host=parts.hostname,
        port=parts.port or _PORT,
        user=unquote(parts.username),
        root=unquote(parts.path).rstrip("/") or "/",
        host_key=host_key,
        secret=secret or None,
        key_file=key_file,
    )


class SftpFolder:
    """Folders on a partner's server. Safe for several threads, which take turns."""

    def __init__(self, login: SftpLogin, timeout_seconds: float) -> None:
        self._login = login
        self._timeout = timeout_seconds
        self.faults: Counter[str] = Counter()
        self._lock = RLock()
        self._ssh: paramiko.SSHClient | None = None
        self._sftp: paramiko.SFTPClient | None = None

    def entries(self, folder: str) -> list[Entry]:
        """See `Folder`."""
        found = self._do(lambda sftp: sftp.listdir_attr(self._at(folder)))
        return [
            Entry(entry.filename, entry.st_size or 0, float(entry.st_mtime or 0))
            for entry in found
            if is_finished(entry.filename) and stat.S_ISREG(entry.st_mode or 0)
        ]

    def read(self, path: str) -> bytes:
        """See `Folder`."""

        def fetch(sftp: paramiko.SFTPClient) -> bytes:
            with sftp.open(self._at(path), "rb") as file:
                file.prefetch()
                return file.read()

        return self._do(fetch)

    def publish(self, path: str, content: bytes) -> None:
        """See `Folder`; the server confirms the size before the name is given."""
        unfinished = self._at(hidden(path))

        def put(sftp: paramiko.SFTPClient) -> None:
            with sftp.open(unfinished, "wb") as file:
                file.set_pipelined(True)
                file.write(content)
            size = sftp.stat(unfinished).st_size
            if size != len(content):
                raise OSError(f"{size} of {len(content)} bytes arrived")

        self._do(put)
        with self._lock:
            try:
                self._connected().posix_rename(unfinished, self._at(path))
            except (OSError, EOFError, paramiko.SSHException) as error:
                self.close()
                raise WmsUnknownOutcome(
                    f"{self._where}: no answer to the renaming of {path}"
                ) from error

    def move(self, source: str, target: str) -> None:
        """See `Folder`."""
        self._do(lambda sftp: sftp.posix_rename(self._at(source), self._at(target)))

    def remove(self, path: str) -> None:
        """See `Folder`."""
        if self.exists(path):
            self._do(lambda sftp: sftp.remove(self._at(path)))

    def exists(self, path: str) -> bool:
        """See `Folder`."""
        try:
            self._do(lambda sftp: sftp.stat(self._at(path)))
        except FileNotFoundError:
            return False
        return True

    def make(self, folder: str) -> None:
        """See `Folder`."""
        made = ""
        for part in folder.split("/"):
            made = f"{made}/{part}" if made else part
            if not self.exists(made):
                self._do(partial(paramiko.SFTPClient.mkdir, path=self._at(made)))

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        with self._lock:
            if self._ssh is not None:
                self._ssh.close()
            self._ssh = self._sftp = None

    @property
    def _where(self) -> str:
        return f"sftp://{self._login.host}:{self._login.port}{self._login.root}"

    def _at(self, path: str) -> str:
        return f"{self._login.root.rstrip('/')}/{path}"

    def _do(self, work: Callable[[paramiko.SFTPClient], T]) -> T:
        """Do what may be done twice; once more where a kept connection turns out to be dead."""
        with self._lock:
            kept = self._sftp is not None
            try:
                return work(self._connected())
            except FileNotFoundError:
                raise
            except (OSError, EOFError, paramiko.SSHException) as error:
                self.faults["connection_broken"] += 1
                self.close()
                # The server answered: a new connection would hear the same.
                if not kept or isinstance(error, PermissionError):
                    raise self._failure(error) from error
            try:
                return work(self._connected())
            except FileNotFoundError:
                raise
            except (OSError, EOFError, paramiko.SSHException) as error:
                self.close()
                raise self._failure(error) from error

    def _failure(self, error: Exception) -> WmsRetryable:
        return WmsRetryable(
            f"{self._where}: {type(error).__name__}: {error or 'connection closed'}; "
            "check that the server is there, has space, and that our user may write to the folder"
        )

    def _connected(self) -> paramiko.SFTPClient:
        if self._sftp is None:
            self._ssh = self._logged_in()
            self._sftp = self._ssh.open_sftp()
            channel = self._sftp.get_channel()
            if channel is not None:
                channel.settimeout(self._timeout)
        return self._sftp

    def _logged_in(self) -> paramiko.SSHClient:
        login = self._login
        ssh = paramiko.SSHClient()
        ssh.set_missing_host_key_policy(paramiko.RejectPolicy())
        known = login.host if login.port == _PORT else f"[{login.host}]:{login.port}"
        key = _parsed_key(login.host_key)
        ssh.get_host_keys().add(known, key.get_name(), key)
        try:
            ssh.connect(
                login.host,
                port=login.port,
                username=login.user,
                password=None if login.key_file else login.secret,
                key_filename=str(login.key_file) if login.key_file else None,
                passphrase=login.secret if login.key_file else None,
                timeout=self._timeout,
                banner_timeout=self._timeout,
                auth_timeout=self._timeout,
                allow_agent=False,
                look_for_keys=False,
            )
        except paramiko.BadHostKeyException as error:
            raise WmsAuthError(
                f"{self._where}: the server shows another key than WMS_SFTP_HOST_KEY: nothing was "
                "sent; ask the partner whether its key changed, before you change ours"
            ) from error
        except (paramiko.AuthenticationException, paramiko.PasswordRequiredException) as error:
            raise WmsAuthError(
                f"{self._where}: the server does not accept user {login.user}; "
                "check WMS_API_KEY or WMS_SFTP_KEY_FILE"
            ) from error
        except paramiko.SSHException as error:
            if "not found in known_hosts" in str(error):
                raise WmsAuthError(
                    f"{self._where}: the server has no key of the type of WMS_SFTP_HOST_KEY; "
                    "ask the partner for its key"
                ) from error
            raise self._failure(error) from error
        except (OSError, EOFError, socket.gaierror) as error:
            raise self._failure(error) from error
        return ssh


def _parsed_key(line: str) -> paramiko.PKey:
    try:
        entry = HostKeyEntry.from_line(f"server {line.strip()}")
    except (InvalidHostKey, paramiko.SSHException, ValueError):
        entry = None
    if entry is None or entry.key is None:
        raise ValueError(
            "WMS_SFTP_HOST_KEY must be type and key of the server as ssh-keyscan prints them, "
            "e.g. 'ssh-ed25519 AAAA...'"
        )
    return entry.key
