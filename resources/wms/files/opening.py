"""Opening the adapter `files` by WMS_FILES_DIR: a folder of this machine, or one over SFTP.

Belongs here: choosing the kind of folder. The SSH library is loaded only where it is needed, since
that takes seconds.
"""

from pathlib import Path

from resources.wms.errors import WmsAuthError
from resources.wms.files.adapter import FilesWms
from resources.wms.files.folder import Folder, LocalFolder
from resources.wms.files.policy import FilesPolicy

SFTP = "sftp://"


def open_files(
    place: str,
    policy: FilesPolicy,
    state: Path,
    *,
    secret: str,
    host_key: str,
    key_file: Path | None,
    timeout_seconds: float,
) -> FilesWms:
    """Open the folders at `place`.

    Args:
        place: a folder, or `sftp://user@host:port/folder`.
        policy: how the partner's files look.
        state: the adapter's own file.
        secret: SFTP only: the password, or with `key_file` the passphrase of the key.
        host_key: SFTP only: the server's key.
        key_file: SFTP only: our private key.
        timeout_seconds: for one answer of the server, and for another process that writes.

    Raises:
        WmsAuthError: what SFTP needs is missing or has another form; names the variable.
    """
    folder: Folder
    if not place.startswith(SFTP):
        folder = LocalFolder(Path(place))
    else:
        from resources.wms.files.sftp import SftpFolder, sftp_login  # noqa: PLC0415

        try:
            login = sftp_login(place, host_key=host_key, secret=secret, key_file=key_file)
        except ValueError as error:
            raise WmsAuthError(str(error)) from error
        folder = SftpFolder(login, timeout_seconds)
    return FilesWms(folder, policy, state)
