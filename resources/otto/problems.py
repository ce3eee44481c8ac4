"""Read OTTO's error bodies, which differ per interface, into `ApiProblem`s.

Belongs here: the known forms of an error body. What a problem means for the caller is decided in
`transport.py` and `token.py`. Reading never fails: a body that nobody foresaw yields one problem
that says so.
"""

import msgspec

from resources.otto.errors import ApiProblem

_LONGEST = 300
_NO_FIELDS = "the answer has no readable error"


def json_object(body: bytes) -> dict[str, object] | None:
    """Return the JSON object that `body` is, or None when it is anything else."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def problems_of(status: int, body: bytes) -> tuple[ApiProblem, ...]:
    """Read at least one problem from the error body of an answer with HTTP `status`."""
    content = json_object(body)
    if content is None:
        kind = "empty answer" if not body.strip() else "answer is no JSON, perhaps from a gateway"
        return (ApiProblem(status, kind),)
    errors = content.get("errors", content.get("validationErrors"))
    parts = errors if isinstance(errors, list) else [errors]
    found = [part for part in parts if isinstance(part, dict)]
    listed = [_problem(status, part, content) for part in found]
    return tuple(listed) or (_problem(status, content, content),)


def _problem(status: int, part: dict[str, object], whole: dict[str, object]) -> ApiProblem:
    title = (
        _text(part.get("title"))
        or _text(part.get("message"))
        or _text(part.get("error"))
        or _text(whole.get("title"))
        or _NO_FIELDS
    )
    return ApiProblem(
        status=status,
        title=title,
        detail=_text(part.get("detail")) or _text(part.get("error_description")),
        path=_text(part.get("path")),
        json_path=_text(part.get("jsonPath")) or _text(part.get("jsonpath")),
        code=_text(part.get("code")),
        logref=_text(part.get("logref")),
    )


def _text(value: object) -> str | None:
    """Shorten to one printable line; numbers become text, other types count as absent."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    line = "".join(c if c.isprintable() else " " for c in str(value)[:_LONGEST]).strip()
    return line or None
