"""What can go wrong with OTTO, as exceptions a caller can act on.

Belongs here: the exception classes and `ApiProblem`, the one shape into which every error body of
OTTO is read (`problems.py` reads them). Messages say what failed, where, and what to do; they hold
no secret and nothing of a body beyond the fields of `ApiProblem`.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiProblem:
    """One problem that OTTO reported. `status` is the HTTP status, `code` OTTO's internal one."""

    status: int
    title: str
    detail: str | None = None
    path: str | None = None
    json_path: str | None = None
    code: str | None = None
    logref: str | None = None
    """What the problem is about; for quantities the SKU."""

    def __str__(self) -> str:
        """Read as one line: title, place in our request, detail."""
        place = f" at {self.json_path}" if self.json_path else ""
        return f"{self.title}{place}: {self.detail}" if self.detail else f"{self.title}{place}"


class OttoError(Exception):
    """Base of everything this client raises on purpose."""


class OttoPermanent(OttoError):
    """OTTO refuses the request for good, or answers what the interface does not allow.

    `status` is the HTTP status; `problems` is what OTTO said, in its order.

    What to do: look at the row in `otto-pipelines errors list`; correct the cause and retry it, or
    ignore it with a reason.
    """

    def __init__(self, message: str, *, status: int, problems: Sequence[ApiProblem] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.problems = tuple(problems)

    @property
    def titles(self) -> frozenset[str]:
        """Titles of all problems, which for shipments are machine codes (`DUPLICATE_...`)."""
        return frozenset(problem.title for problem in self.problems)


class OttoForbidden(OttoPermanent):
    """The key is good, but the thing asked for belongs to another partner.

    What to do: check whether the id is of your own account and environment (sandbox or live).
    """


class OttoTransient(OttoError):
    """No usable answer, certainly without an effect; ask again after `retry_after_s` (if known).

    What to do: nothing; the next run asks again. If it lasts for an hour, look at OTTO's status
    page and at your network.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OttoUnknownOutcome(OttoError):
    """The request may or may not have had its effect: look it up before sending it again.

    What to do: nothing; the outbox asks OTTO before it sends again.
    """


class OttoAuthError(OttoError):
    """OTTO does not accept the credentials.

    What to do: check credentials and address in your environment, then `otto-pipelines
    check-connection`. What waits leaves as soon as OTTO accepts them.
    """


class OttoScopeMissing(OttoError):
    """The app at OTTO lacks a scope that is needed.

    What to do: grant the scope to the app in OTTO Partner Connect, then `otto-pipelines
    check-connection`.
    """
