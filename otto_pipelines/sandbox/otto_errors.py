"""How each interface of the simulated OTTO says no, in an error body of its own.

Belongs here: the form of a refusal by scope. Why something is refused belongs to the handlers. What
OTTO documents without a body has none here.
"""

from typing import Any

from otto_pipelines.sandbox.http_server import Answer, Request, json_answer
from otto_pipelines.sandbox.otto_rules import Problem

_WITHOUT_VERSION = frozenset({"shipments", "availability"})
_NUMBERED = frozenset({"returns", "price-reduction", "availability"})
_FORBIDDEN_TITLES = {"shipments": "INSUFFICIENT_PERMISSION"}


def unauthorized(request: Request, scope: str) -> Answer:
    """401: no token, or an old one."""
    if scope in {"shipments", "products"}:
        return Answer(401)
    if scope == "availability":
        return json_answer(401, {"message": "Unauthorized"})
    return refused(request, scope, Problem(401, "Unauthorized", "Missing or expired token."))


def forbidden(request: Request, scope: str) -> Answer:
    """403: the token lacks the scope."""
    if scope == "products":
        return Answer(403)
    if scope == "availability":
        return json_answer(403, {"message": "Forbidden"})
    title = _FORBIDDEN_TITLES.get(scope, "Forbidden")
    return refused(request, scope, Problem(403, title, f"The token lacks the scope [{scope}]."))


def refused(request: Request, scope: str, *problems: Problem) -> Answer:
    """The error body of the interface, with the status of the first problem."""
    status = problems[0].status
    if scope == "products" and status in {401, 403, 404}:
        return Answer(status)
    path = request.path.removeprefix("/v1") if scope in _WITHOUT_VERSION else request.path
    errors: list[dict[str, Any]] = []
    for problem in problems:
        error: dict[str, Any] = {"title": problem.title, "detail": problem.detail, "path": path}
        if scope in _NUMBERED:
            error |= {"code": problem.status, "logref": ""}
        if problem.json_path is not None:
            error["jsonPath"] = problem.json_path
        errors.append(error)
    return json_answer(status, {"errors": errors})
