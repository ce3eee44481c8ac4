"""The manifest of a close: what it holds, hashed, chained to the close before it, and signed.

Belongs here: writing, reading and judging `manifest.json`. The hash of a manifest stands in the
next one, so a close cannot be taken out or changed without every later one telling of it. The
signature is HMAC-SHA256 with the key of FINANCE_SIGNING_KEY; without a key the manifest says so and
names who closed the period.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assets.closing.figures import Figures
from assets.closing.periods import ClosingError

MANIFEST = "manifest.json"
FORMAT = 1
SIGNED, UNSIGNED = "hmac-sha256", "none"

Manifest = dict[str, Any]


def write_manifest(path: Path, content: Mapping[str, Any], key: str | None) -> None:
    """Write `content` with its signature; what stands in it decides every byte."""
    if key:
        signature = {"method": SIGNED, "key": "FINANCE_SIGNING_KEY", "value": _seal(content, key)}
    else:
        signature = {"method": UNSIGNED, "name": content["closed_by"]}
    path.write_bytes(_bytes({**content, "signature": signature}))


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        ClosingError: it is missing, is no JSON, or has a format of another version.
    """
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ClosingError(f"{path} is missing: restore the folder from a backup") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ClosingError(f"{path} is no JSON: restore the folder from a backup") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ClosingError(
            f"{path} is no manifest of format {FORMAT}: restore the folder from a backup, "
            "or read it with the version of otto_pipelines that wrote it"
        )
    return manifest


def faults_of_signature(manifest: Manifest, key: str | None) -> list[str]:
    """What is wrong with the signature, in words; nothing where it holds or cannot be judged."""
    signature = manifest.get("signature", {})
    if signature.get("method") != SIGNED:
        # Whoever holds a key expects signatures: one that was taken away is a fault.
        return ["it is not signed, though FINANCE_SIGNING_KEY is set"] if key else []
    unsigned = {name: value for name, value in manifest.items() if name != "signature"}
    if key and not hmac.compare_digest(_seal(unsigned, key), str(signature.get("value"))):
        return ["its signature is not that of FINANCE_SIGNING_KEY"]
    return []


def content_of(figures: Figures) -> dict[str, Any]:
    """The part of a manifest that the snapshot alone decides."""
    return {
        "areas": [
            {
                "area": total.area,
                "currency": total.currency,
                "status": total.status,
                "breaks": total.breaks,
                "cents": total.cents,
            }
            for total in figures.areas
        ],
        "tables": [
            {
                "name": table.name,
                "rows": table.rows,
                "content_hash": table.content_hash,
                "hashed": list(table.hashed),
                "totals": [
                    {"amount": amount, "currency": currency, "cents": cents}
                    for amount, currency, cents in table.totals
                ],
            }
            for table in figures.tables
        ],
    }


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(content: Mapping[str, Any], key: str) -> str:
    return hmac.new(key.encode(), _bytes(content), hashlib.sha256).hexdigest()


def _bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
