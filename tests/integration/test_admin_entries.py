"""The admin of the host's entries: what is shown of their processing, to whom, and beside what the host shows itself.

The other admin tests take the sites and URLs of this module.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse
from django.utils import timezone

from insights_recovery import clock, operations
from insights_recovery.admin import (
    ExtractionAdmin,
    HeartbeatAdmin,
    InsightAdmin,
    ProcessingAttemptAdmin,
    RecoverableEntryAdminMixin,
)
from insights_recovery.admin.evidence import LatestFormSet
from insights_recovery.admin.wording import REASONS, STATES, explanation
from insights_recovery.lifecycle import Reason, State
from insights_recovery.models import Extraction, Heartbeat, Insight, Outcome, ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, fresh, in_state, put

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class PlainAdmin(RecoverableEntryAdminMixin, admin.ModelAdmin):
    """A host that sets nothing."""


class GuestbookInline(admin.TabularInline):
    """An inline of the host's own."""

    model = Insight
    fields = ("kind",)
    extra = 0


class OpinionatedAdmin(RecoverableEntryAdminMixin, admin.ModelAdmin):
    """A host that sets all that the mixin adds to."""

    list_display = ("id", "title", "processing_badge")
    list_filter = ("author",)
    actions = ("shout",)
    readonly_fields = ("title", "processing_crashes")
    fieldsets = ((None, {"fields": ("title", "content")}), ("Mine", {"fields": ("processing_crashes",)}))
    inlines = (GuestbookInline,)

    class Media:
        js = ("host.js",)

    @admin.action(description="Shout")
    def shout(self, request: HttpRequest, queryset: Any) -> None:
        """Say whether a transaction is open."""
        self.message_user(request, f"In a transaction: {connection.in_atomic_block}")

    def has_reprocess_entries_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser


class NoActionsAdmin(RecoverableEntryAdminMixin, admin.ModelAdmin):
    """A host that wants no actions."""

    actions = None


def _site(name: str, entry_admin: type[Any]) -> admin.AdminSite:
    site = admin.AdminSite(name)
    site.register(Entry, entry_admin)
    site.register(User, UserAdmin)
    site.register(Insight, InsightAdmin)
    site.register(Extraction, ExtractionAdmin)
    site.register(ProcessingAttempt, ProcessingAttemptAdmin)
    site.register(Heartbeat, HeartbeatAdmin)
    return site


SITES = {
    "admin": _site("admin", PlainAdmin),
    "opinionated": _site("opinionated", OpinionatedAdmin),
    "inactive": _site("inactive", NoActionsAdmin),
}

urlpatterns = [path(f"{name}/", site.urls) for name, site in SITES.items()]


def url(page: str, *args: Any, model: str = "notes_entry", site: str = "admin") -> str:
    """Return the URL of an admin page."""
    return reverse(f"{site}:{model}_{page}", args=args)


def staff(*codenames: str) -> Client:
    """Return a client logged in as somebody of the staff with these permissions only."""
    user = User.objects.create_user(uuid4().hex, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, address: str) -> str:
    """Return the page at the address, which must be there."""
    response = client.get(address)
    assert response.status_code == 200, address
    return str(response.content.decode())


@pytest.fixture
def root(client: Client) -> Client:
    """A client logged in as a superuser."""
    client.force_login(User.objects.create_superuser("root"))
    return client


# Composition


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("model", [Entry, Insight, Extraction, ProcessingAttempt, Heartbeat])
def test_system_checks_find_nothing_wrong(site: str, model: Any) -> None:
    assert SITES[site].get_model_admin(model).check() == []


def test_our_models_are_registered_with_the_default_site() -> None:
    assert all(map(admin.site.is_registered, [Insight, Extraction, ProcessingAttempt, Heartbeat]))


def test_a_host_that_sets_nothing_gets_everything(root: Client) -> None:
    entry = in_state(State.FAILED, "lunch", reason=Reason.ATTEMPTS)
    shown = page(root, url("changelist"))
    assert "Failed" in shown
    assert "Every attempt failed." in shown
    assert "By state" in shown
    assert "By overdue" in shown
    shown = page(root, url("change", entry.pk))
    assert "Latest attempts" in shown
    assert shown.count("Failed attempts:") == 1


def test_what_the_host_sets_stays_and_nothing_comes_twice(root: Client) -> None:
    entry = create("lunch", title="Noon")
    shown = page(root, url("changelist", site="opinionated"))
    assert shown.count('class="column-processing_badge') + shown.count("sortable column-processing_badge") == 1
    assert "By author" in shown
    assert "Shout" in shown
    assert "Try again" in shown
    shown = page(root, url("change", entry.pk, site="opinionated"))
    assert shown.count("Crashes:") == 1
    assert shown.index("Mine") < shown.index("Processing</h2>")
    assert "host.js" in shown
    assert "insights_recovery/admin.css" in shown
    assert "insights-group" in shown
    assert "attempts-group" in shown


def test_a_host_without_actions_gets_none(root: Client) -> None:
    create()
    assert 'name="action"' not in page(root, url("changelist", site="inactive"))


def test_nothing_of_ours_is_on_the_page_where_an_entry_is_added(root: Client) -> None:
    shown = page(root, url("add"))
    assert "attempts-group" not in shown
    assert "ir-evidence" not in shown


def test_an_entry_is_saved_while_a_worker_is_at_it(root: Client) -> None:
    entry = in_state(State.PROCESSING, "lunch")
    _attempt(entry, 1)
    data = _form(entry, attempts=1) | {"title": "Noon"}
    # Another attempt begins between the page and the click.
    _attempt(entry, 2)
    assert root.post(url("change", entry.pk), data).status_code == 302
    assert fresh(entry).title == "Noon"
    assert fresh(entry).processing_state == State.PROCESSING


def test_attempts_in_a_posted_form_change_nothing(root: Client) -> None:
    entry = create("lunch")
    attempt = _attempt(entry, 1)
    fields = {"attempts-0-error": "forged", "attempts-0-outcome": "completed", "attempts-0-DELETE": "on"}
    forged = {"attempts-TOTAL_FORMS": 2, "attempts-1-number": 9, "attempts-1-outcome": "completed"}
    root.post(url("change", entry.pk), _form(entry, attempts=1) | fields | forged)
    assert list(ProcessingAttempt.objects.values("error", "outcome")) == [{"error": "", "outcome": attempt.outcome}]


def _form(entry: Entry, *, attempts: int) -> dict[str, Any]:
    rows = ProcessingAttempt.objects.filter(entry=entry).order_by("-number")
    keys = {f"attempts-{n}-id": attempt.pk for n, attempt in enumerate(rows)}
    management = {"attempts-TOTAL_FORMS": attempts, "attempts-INITIAL_FORMS": attempts}
    return {"title": entry.title, "content": entry.content, **management, **keys}


def _attempt(entry: Entry, number: int, **fields: Any) -> ProcessingAttempt:
    return ProcessingAttempt.objects.create(entry=entry, number=number, token=uuid4(), **fields)


# What is shown


def test_every_state_and_every_reason_has_words() -> None:
    assert set(STATES) == set(State)
    assert set(REASONS) == set(Reason)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"state": State.PENDING, "reason": Reason.CIRCUIT_OPEN, "not_before": 300, "due_at": 300},
            "The extraction service is out of order. Next try: ",
        ),
        ({"state": State.PENDING, "reason": Reason.RETRY, "not_before": 300, "due_at": 300}, "in 5\xa0minutes."),
        ({"state": State.PENDING, "reason": Reason.NEW, "due_at": -600}, "due for 10\xa0minutes."),
        ({"state": State.PENDING, "reason": Reason.NEW, "due_at": 90}, "offered again in 1\xa0minute."),
        ({"state": State.CELERY_ERROR, "reason": Reason.BROKER, "due_at": 30}, "in less than a minute."),
        ({"state": State.PROCESSING, "reason": Reason.NEW, "due_at": 30}, "A worker is reading it."),
        ({"state": State.PROCESSING, "reason": Reason.NEW, "due_at": -120}, "gave no sign for 2\xa0minutes"),
        ({"state": State.COMPLETED, "reason": ""}, "Its insights are stored."),
        ({"state": State.SKIPPED, "reason": Reason.BLANK}, "There is no text."),
        ({"state": State.FAILED, "reason": Reason.CRASHES}, "It crashed its worker every time. It waits for a person"),
    ],
)
def test_the_explanation_says_why_and_until_when(columns: dict[str, Any], words: str) -> None:
    now = timezone.now()
    moments = {"due_at": None, "not_before": None} | {
        name: now + timedelta(seconds=value) for name, value in columns.items() if isinstance(value, int)
    }
    entry = Entry(**{f"processing_{name}": value for name, value in (columns | moments).items()})
    assert words in explanation(entry, now)


def test_naive_moments_of_a_host_without_time_zones_are_shown(settings: Any) -> None:
    settings.USE_TZ = False
    now = timezone.now()
    later = now + timedelta(minutes=3)
    entry = Entry(processing_state=State.PENDING, processing_due_at=later, processing_not_before=later)
    assert "in 3\xa0minutes" in explanation(entry, now)


def test_the_change_page_shows_evidence_and_neither_token_nor_owner(root: Client) -> None:
    token = uuid4()
    entry = in_state(State.PROCESSING, token=token, error="RuntimeError at app.py:1 in extract", attempts=3)
    shown = page(root, url("change", entry.pk))
    assert "RuntimeError at app.py:1 in extract" in shown
    assert str(token) not in shown
    assert entry.processing_owner not in shown


def test_the_latest_attempts_are_shown_with_folded_tracebacks(root: Client) -> None:
    entry = create()
    for number in range(1, LatestFormSet.shown + 6):
        _attempt(entry, number, worker=f"worker-{number}.", outcome=Outcome.FAILED, traceback="app.py:1 in <b>")
    shown = page(root, url("change", entry.pk))
    assert "worker-25." in shown
    assert "worker-6." in shown
    assert "worker-5." not in shown
    assert "25 attempts" in shown
    assert "<details" in shown
    assert "app.py:1 in &lt;b&gt;" in shown


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("processing_state=FAILED", {"dead"}),
        ("processing_state=PENDING", {"due", "patient"}),
        ("processing_reason=attempts", {"dead"}),
        ("processing_overdue=yes", {"due"}),
        ("processing_state=nonsense", {"dead", "due", "patient"}),
        ("processing_state=PENDING&processing_reason=retry", {"patient"}),
    ],
)
def test_filters(root: Client, query: str, expected: set[str]) -> None:
    put(in_state(State.FAILED, reason=Reason.ATTEMPTS), title="dead")
    put(in_state(State.PENDING, reason=Reason.NEW), title="due")
    put(in_state(State.PENDING, reason=Reason.RETRY, due_at=clock.later(300)), title="patient")
    response = root.get(f"{url('changelist')}?{query}")
    assert {entry.title for entry in response.context["cl"].result_list} == expected


def test_the_filters_count_where_the_host_has_facets(root: Client) -> None:
    in_state(State.FAILED)
    assert "Failed (1)" in page(root, f"{url('changelist')}?_facets=True")


def test_no_page_has_inline_scripts_or_styles(root: Client) -> None:
    entry = in_state(State.FAILED, reason=Reason.ATTEMPTS)
    _attempt(entry, 1, outcome=Outcome.FAILED, traceback="app.py:1 in extract")
    data = {"action": "skip_entries", "_selected_action": [entry.pk]}
    confirmation = root.post(url("changelist"), data).content.decode()
    for shown in (page(root, url("changelist")), page(root, url("change", entry.pk)), confirmation):
        assert "style=" not in shown
        assert "<style" not in shown
        assert "onclick" not in shown


# Queries


@pytest.fixture
def five(root: Client) -> None:
    """Five entries, with an extraction, an insight and an attempt each."""
    for number in range(5):
        _belongings(create(f"day {number}"))


def _belongings(entry: Entry) -> None:
    extraction = Extraction.objects.create(entry=entry, extractor="x", version="1", text_digest="d", duration=1)
    Insight.objects.create(entry=entry, extraction=extraction, kind="person", label="Anna", extracted_label="Anna")
    _attempt(entry, 1, outcome=Outcome.COMPLETED)


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize(
    "model",
    [
        "notes_entry",
        "insights_recovery_insight",
        "insights_recovery_extraction",
        "insights_recovery_processingattempt",
    ],
)
def test_lists_take_as_many_queries_for_fifty_rows_as_for_five(root: Client, model: str) -> None:
    for_five = _queries(root, url("changelist", model=model))
    for number in range(45):
        _belongings(create(f"more {number}"))
    assert _queries(root, url("changelist", model=model)) == for_five


def test_the_change_page_takes_as_many_queries_for_many_attempts_as_for_one(root: Client) -> None:
    entry = create()
    _belongings(entry)
    for_one = _queries(root, url("change", entry.pk))
    for number in range(2, 15):
        _attempt(entry, number)
    assert _queries(root, url("change", entry.pk)) == for_one


def _queries(client: Client, address: str) -> int:
    page(client, address)
    with CaptureQueriesContext(connection) as queries:
        page(client, address)
    return len(queries)


# Permissions


EVIDENCE = ["processingattempt", "extraction", "heartbeat"]


def _evidence() -> dict[str, Any]:
    entry = create()
    _belongings(entry)
    return {
        "processingattempt": ProcessingAttempt.objects.get().pk,
        "extraction": Extraction.objects.get().pk,
        "heartbeat": Heartbeat.objects.get_or_create(name="sweep")[0].pk,
    }


@pytest.mark.parametrize("model", EVIDENCE)
def test_evidence_is_read_only_even_for_a_superuser(root: Client, model: str) -> None:
    pk = _evidence()[model]
    name = f"insights_recovery_{model}"
    assert "Close" in page(root, url("change", pk, model=name))
    assert 'name="_save"' not in page(root, url("change", pk, model=name))
    assert root.post(url("change", pk, model=name), {"_save": "1"}).status_code == 403
    assert root.get(url("add", model=name)).status_code == 403
    assert root.post(url("add", model=name), {}).status_code == 403
    assert root.post(url("delete", pk, model=name), {"post": "yes"}).status_code == 403
    root.post(url("changelist", model=name), {"action": "delete_selected", "_selected_action": [pk], "post": "yes"})
    assert "Close" in page(root, url("change", pk, model=name))


@pytest.mark.parametrize("model", [*EVIDENCE, "insight"])
def test_evidence_is_shown_to_those_with_the_permission_only(model: str) -> None:
    _evidence()
    address = url("changelist", model=f"insights_recovery_{model}")
    assert staff(f"view_{model}").get(address).status_code == 200
    assert staff("view_entry", "change_entry").get(address).status_code == 403
    assert Client().get(address).status_code == 302


def test_the_entry_page_links_to_what_may_be_seen_only() -> None:
    entry = create()
    _belongings(entry)
    shown = page(staff("view_entry"), url("change", entry.pk))
    assert "1 insight" not in shown
    assert "attempts-group" not in shown
    shown = page(staff("view_entry", "view_insight", "view_processingattempt"), url("change", entry.pk))
    assert "1 insight" in shown
    assert "1 extraction" not in shown
    assert "attempts-group" in shown


def test_the_links_of_an_entry_lead_to_what_belongs_to_it(root: Client) -> None:
    entry, other = create(), create()
    _belongings(entry)
    _belongings(other)
    for model in ("insight", "extraction", "processingattempt"):
        address = f"{url('changelist', model=f'insights_recovery_{model}')}?entry__exact={entry.pk}"
        assert address in page(root, url("change", entry.pk))
        assert [row.entry_id for row in root.get(address).context["cl"].result_list] == [entry.pk]


def test_whoever_may_delete_an_entry_deletes_what_belongs_to_it() -> None:
    client = staff("view_entry", "delete_entry")
    entry = create()
    _belongings(entry)
    assert client.post(url("delete", entry.pk), {"post": "yes"}).status_code == 302
    assert not Entry.objects.exists()
    assert not ProcessingAttempt.objects.exists()
    assert not Insight.objects.exists()


def test_entries_are_deleted_together_with_their_author(root: Client) -> None:
    author = User.objects.create_user("author")
    _belongings(create(author=author))
    assert root.post(url("delete", author.pk, model="auth_user"), {"post": "yes"}).status_code == 302
    assert not Entry.objects.exists()
    assert not ProcessingAttempt.objects.exists()


def test_pages_of_a_processed_entry(root: Client, extractor_log: Any) -> None:
    entry = create("Walked with Anna.")
    operations.process_now([entry.pk])
    extraction = Extraction.objects.get()
    shown = page(root, url("change", extraction.pk, model="insights_recovery_extraction"))
    assert "Walked with Anna." in shown
    attempt = ProcessingAttempt.objects.get()
    assert "Done" in page(root, url("change", attempt.pk, model="insights_recovery_processingattempt"))
