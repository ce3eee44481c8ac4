"""Tryton's REST interface: records of a model read, made, changed, removed, and acted on.

Belongs here: how Tryton writes values, names models and fails. What the models mean to us stands in
the other modules of this package.
"""

import base64
import json
import re
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

import httpx

from resources.operating_model import Http
from resources.wms.errors import WmsContractError
from resources.wms.transport import RATE_LIMITED, Transport

P = ParamSpec("P")
R = TypeVar("R")
Record = dict[str, Any]
Domain = list[Any]

# What reading a plain record raises where a field is missing, or is of another kind.
_MISREAD = (
    KeyError, TypeError, AttributeError, ValueError, ArithmeticError, IndexError, RecursionError
)  # fmt: skip


def understood(work: Callable[P, R]) -> Callable[P, R]:
    """Work on Tryton's records, which are plain: one that lacks something breaks the contract.

    The error says where it was read and shows no value, which may be personal data.
    """

    @wraps(work)
    def read(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except _MISREAD as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise WmsContractError(
                f"Tryton's records are not as expected ({type(error).__name__} in {place.name}, "
                f"{place.filename.rpartition('/')[2]}:{place.lineno}): check that its version is "
                "the supported one; nothing was taken over, the next run asks again"
            ) from None

    return read


# 423 and 503 stand for a transaction that lost against another one and was rolled back.
_NOTHING_HAPPENED = frozenset({RATE_LIMITED, 423, 503})
_QUOTED = re.compile(r'"[^"]*"')
# A request line holds 64 KiB; this many ids stay far below it.
_IDS_AT_ONCE = 200


class TrytonRest:
    """The models of one database. `base_url` ends with the database's name.

    Messages of Tryton put records between quotes, and a record may be a buyer: what is quoted is
    left out of every error.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        http: Http,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = Transport(
            f"{base_url}/rest/model",
            {"Authorization": f"Bearer {key}"},
            http,
            complaint=_complaint,
            nothing_happened=_NOTHING_HAPPENED,
            sleep=sleep,
        )
        self.faults = self._transport.faults

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def read(
        self,
        model: str,
        domain: Domain,
        fields: Iterable[str],
        *,
        order: list[tuple[str, str]] | None = None,
        limit: int | None = None,
        context: Record | None = None,
    ) -> list[Record]:
        """Records within `domain`; dotted fields come nested."""
        records, _ = self.read_at(model, domain, fields, order=order, limit=limit, context=context)
        return records

    def read_at(
        self,
        model: str,
        domain: Domain,
        fields: Iterable[str],
        *,
        order: list[tuple[str, str]] | None = None,
        limit: int | None = None,
        context: Record | None = None,
    ) -> tuple[list[Record], datetime]:
        """Like `read`, with the server's time of the answer (whole seconds, rounded down)."""
        params: dict[str, str | list[str]] = {"d": _packed(domain), "f": list(fields)}
        if order is not None:
            params["o"] = _packed(order)
        if limit is not None:
            params["s"] = str(limit)
        answer = self._transport.call(
            "GET",
            f"/{quote(model)}",
            params=httpx.QueryParams(params),
            headers=_context(context),
            repeatable=True,
        )
        found = _decoded(answer)
        if not isinstance(found, list):
            raise WmsContractError(f"Tryton's answer on {model} is no list")
        return found, _server_time(answer)

    def read_by(
        self, model: str, field: str, values: Sequence[Any], fields: Iterable[str]
    ) -> list[Record]:
        """All records whose `field` is one of `values`, asked for in portions."""
        wanted, names = list(dict.fromkeys(values)), list(fields)
        found: list[Record] = []
        for start in range(0, len(wanted), _IDS_AT_ONCE):
            part = wanted[start : start + _IDS_AT_ONCE]
            found += self.read(model, [[field, "in", part]], names)
        return found

    def create(
        self, model: str, values: Record, fields: Iterable[str] = (), context: Record | None = None
    ) -> Record:
        """Make one record, with the records nested in it, in one transaction."""
        return self._change("POST", f"/{quote(model)}", values, fields, context)

    def write(
        self,
        model: str,
        record_id: int,
        values: Record,
        fields: Iterable[str] = (),
        context: Record | None = None,
    ) -> Record:
        """Change one record; repeating it changes nothing more unless `values` make records."""
        return self._change("PUT", f"/{quote(model)}/{record_id}", values, fields, context)

    def delete(self, model: str, record_id: int) -> None:
        """Remove one record."""
        self._transport.call("DELETE", f"/{quote(model)}/{record_id}")

    def act(self, model: str, record_id: int, action: str, context: Record | None = None) -> None:
        """Press a button of one record; it does not answer twice the same."""
        self._change("POST", f"/{quote(model)}/{record_id}/{quote(action)}", {}, (), context)

    def _change(
        self, method: str, path: str, values: Record, fields: Iterable[str], context: Record | None
    ) -> Record:
        answer = self._transport.call(
            method,
            path,
            params=httpx.QueryParams({"f": list(fields)}),
            content=json.dumps(values, default=_encoded).encode(),
            headers=_context(context),
        )
        if answer.status_code == httpx.codes.NO_CONTENT:
            return {}
        found = _decoded(answer)
        if not isinstance(found, dict):
            raise WmsContractError(f"Tryton's answer to {method} {path} is no record")
        return found


def _packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, default=_encoded).encode()).decode()


def _context(context: Record | None) -> dict[str, str]:
    return {"X-Tryton-Context": _packed(context)} if context else {}


def _encoded(value: Any) -> Any:
    """How Tryton writes a value for which JSON has no word."""
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return {"__class__": "datetime", **{name: getattr(at, name) for name in names}}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    raise TypeError(f"Tryton's JSON has no form for {type(value).__name__}")


def _read_object(value: Record) -> Any:
    match value.pop("__class__", None):
        case "Decimal":
            return Decimal(value["decimal"])
        case "datetime":
            return datetime(**value, tzinfo=UTC)
        case "date":
            return date(**value)
        case _:
            return value


def _decoded(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.content, object_hook=_read_object)
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        request = answer.request
        raise WmsContractError(
            f"WMS {request.method} {request.url.path}: the answer is not as Tryton writes it"
        ) from error


def _server_time(answer: httpx.Response) -> datetime:
    try:
        return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, OverflowError) as error:
        raise WmsContractError("Tryton's answer has no Date header") from error


def _complaint(answer: httpx.Response) -> str:
    try:
        told = json.loads(answer.content)
        message = str(told["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "(no reason given)"
    return _QUOTED.sub('"…"', message)
