"""Middleware: headers that keep a journal private, and the reader's own time zone."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

GetResponse = Callable[[HttpRequest], HttpResponse]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Everything comes from this server, and nothing is inline."""

TIME_ZONE_COOKIE = "journal_time_zone"
"""Set by journal.js to the browser's zone."""


class PrivacyHeadersMiddleware:
    """Forbids foreign and inline content, and any copy of a page in a cache."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response with the headers added."""
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store, private")
        # Django's own error pages, shown in development only, style themselves inline.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class BrowserTimeZoneMiddleware:
    """Shows and reads times in the zone that the browser reported; in UTC until it has."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response made in that zone."""
        with timezone.override(_zone(request.COOKIES.get(TIME_ZONE_COOKIE, ""))):
            return self.get_response(request)


def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    """Return the zone, or None, which means the project's own, for what is none: a cookie is anybody's input."""
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None
