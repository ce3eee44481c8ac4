"""The certificates that every HTTP client trusts.

Belongs here: reading them once per process. That costs tens of milliseconds, and each run opens
several clients.
"""

import functools
import ssl

import httpx


@functools.cache
def trusted() -> ssl.SSLContext:
    """For `verify` of an HTTP client; safe to share between threads."""
    return httpx.create_ssl_context()
