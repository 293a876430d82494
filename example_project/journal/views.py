"""The pages. Signing in is required for every one of them by middleware, and each looks at one's own entries only."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.text import Truncator
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from insights_recovery import operations
from insights_recovery.extractors.base import Kind

from .forms import EntryForm, SearchForm
from .library import containing, entries_of, for_listing, insights_of, sharing
from .models import JournalEntry
from .moods import LEVELS, mood_of
from .overview import PERIODS, frequent, overview_of
from .reading import HEADINGS, reading_of
from .status import Status, status_of

PAGE_SIZE = 20
SEARCH_KEY = "journal_search"
OVERVIEW_KINDS = (Kind.EMOTION, Kind.THEME, Kind.PERSON, Kind.PLACE, Kind.ACTIVITY, Kind.FOOD)


@require_GET
def entry_list(request: HttpRequest) -> HttpResponse:
    """Show all entries, the newest first."""
    return _listing(request, entries_of(request.user), {"form": SearchForm(), "heading": "Your entries"})


@require_http_methods(["GET", "POST"])
def search(request: HttpRequest) -> HttpResponse:
    """Show the entries with the words looked for.

    The words arrive by POST and stay in the session: in an address they would end up in logs and histories.
    """
    form = SearchForm(request.POST if request.method == "POST" else {"words": request.session.get(SEARCH_KEY, "")})
    words = form.cleaned_data["words"] if form.is_valid() else ""
    if request.method == "POST":
        request.session[SEARCH_KEY] = words
        return redirect("journal:search" if words else "journal:list")
    if not words:
        return redirect("journal:list")
    found = containing(entries_of(request.user), words)
    return _listing(request, found, {"form": form, "heading": "Found entries", "is_search": True})


@require_GET
def about(request: HttpRequest, insight_pk: int) -> HttpResponse:
    """Show the entries in which the same thing was found as in this insight."""
    insight = get_object_or_404(insights_of(request.user), pk=insight_pk)
    context = {"form": SearchForm(), "heading": insight.label, "kicker": HEADINGS[Kind(insight.kind)]}
    return _listing(request, sharing(request.user, insight), context)


def _listing(request: HttpRequest, entries: QuerySet[JournalEntry], context: dict[str, Any]) -> HttpResponse:
    page = Paginator(for_listing(entries), PAGE_SIZE).get_page(request.GET.get("page"))
    rows = _rows(page)
    pauses = [row["status"].look_again for row in rows if not row["status"].is_settled]
    context |= {"page": page, "rows": rows, "look_again": min(pauses, default=0)}
    is_fragment = "fragment" in request.GET
    return render(request, "journal/_entries.html" if is_fragment else "journal/entry_list.html", context)


def _rows(page: Page[JournalEntry]) -> list[dict[str, Any]]:
    now = timezone.now()
    return [
        {
            "entry": entry,
            "status": status_of(entry, now=now),
            "mood": mood_of(entry.sentiment),
            "title": (title := entry.title or entry.found_title or "Untitled"),
            "excerpt": excerpt(entry.content, title),
            "labels": list(dict.fromkeys(item.label for item in entry.notable))[:4],
        }
        for entry in page.object_list
    ]


def excerpt(text: str, title: str) -> str:
    """Return the beginning of a text for a list, without the words that its title has taken from it already."""
    stem = title.rstrip("…")
    at = text.casefold().find(stem.casefold(), 0, len(stem) + 40)
    rest = text[at + len(stem) :].lstrip(" .,;:!?\n") if at >= 0 else ""
    return Truncator(f"…{rest}" if rest and stem != title else rest or text).words(30)


@require_http_methods(["GET", "POST"])
def write(request: HttpRequest) -> HttpResponse:
    """Write a new entry."""
    form = EntryForm(request.POST or None, initial={"written_at": timezone.now()})
    form.instance.author = request.user
    return _save(request, form, "Write")


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change an entry."""
    entry = get_object_or_404(entries_of(request.user), pk=pk)
    return _save(request, EntryForm(request.POST or None, instance=entry), "Edit")


def _save(request: HttpRequest, form: EntryForm, heading: str) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        entry = form.save()
        messages.success(request, "Your entry is saved.")
        return redirect(entry)
    context = {"form": form, "entry": form.instance if form.instance.pk else None, "heading": heading}
    return render(request, "journal/entry_form.html", context, status=422 if form.errors else 200)


@require_GET
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show an entry with what was found in it."""
    entry = get_object_or_404(entries_of(request.user), pk=pk)
    return render(request, "journal/entry_detail.html", _state_of(entry) | {"reading": reading_of(entry)})


@require_GET
def state(request: HttpRequest, pk: int) -> HttpResponse:
    """Show how far the reading of an entry is; the fragment that its page asks for now and then."""
    entry = get_object_or_404(entries_of(request.user), pk=pk)
    return render(request, "journal/_state.html", _state_of(entry))


def _state_of(entry: JournalEntry) -> dict[str, Any]:
    status: Status = status_of(entry)
    return {"entry": entry, "status": status, "attempts": entry.attempts.order_by("-started_at", "-pk")[:10]}


@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete an entry, after asking."""
    entry = get_object_or_404(entries_of(request.user), pk=pk)
    if request.method == "POST":
        entry.delete()
        messages.success(request, "The entry and all that was found in it are deleted.")
        return redirect("journal:list")
    return render(request, "journal/entry_confirm_delete.html", {"entry": entry})


@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Have an entry that could not be read tried again."""
    entry = get_object_or_404(entries_of(request.user), pk=pk)
    if status_of(entry).may_retry:
        operations.retry([entry.pk])
        messages.success(request, "It will be tried again.")
    else:
        messages.info(request, "There is nothing to try again.")
    return redirect(entry)


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Show moods over time, and what comes up most."""
    asked = request.GET.get("days", "")
    days = int(asked) if asked.isdecimal() and int(asked) in PERIODS else 90
    tops = [(HEADINGS[kind], frequent(request.user, kind, days)) for kind in OVERVIEW_KINDS]
    context = {
        "days": days,
        "periods": PERIODS,
        "overview": overview_of(request.user, days),
        "tops": tops,
        "scale": LEVELS,
    }
    return render(request, "journal/overview.html", context)
