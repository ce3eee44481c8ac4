"""What may go wrong between us and any WMS; every adapter raises these and nothing else.

Belongs here: the classes. Which answer of a vendor means which of them is for its adapter to say.
"""


class WmsError(Exception):
    """Base of all port errors. The message says what failed and never holds personal data."""


class WmsRetryable(WmsError):
    """The request certainly had no effect; it may be sent again after `retry_after_s`.

    What to do: nothing; the next run tries again. If it lasts, look whether the warehouse system
    runs.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class WmsUnknownOutcome(WmsError):
    """The request may or may not have had its effect: ask before sending again.

    What to do: nothing; the warehouse system is asked before anything is sent again.
    """


class WmsRejected(WmsError):
    """The WMS refuses the content for good; a person must act.

    What to do: as the message ends; the row waits in `otto-pipelines errors list` and can be
    retried.
    """


class WmsAuthError(WmsError):
    """The WMS does not accept the key.

    What to do: check the key of the warehouse system in your environment, then `otto-pipelines
    check-connection`.
    """


class WmsContractError(WmsError):
    """The WMS answered something that this adapter does not understand.

    What to do: compare with the vendor's release notes and report it; nothing of the answer was
    taken over.
    """
