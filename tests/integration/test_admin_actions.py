"""The admin's actions on entries: what they do, what they say, who may ask, and what is asked twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client, TestCase

from insights_recovery.admin.actions import ACTIONS, LISTED, NOW_LIMIT
from insights_recovery.exceptions import PostponeError
from insights_recovery.lifecycle import Reason, State
from insights_recovery.models import Extraction, Insight
from tests.hosts.notes.models import Entry
from tests.integration.helpers import fresh, in_state
from tests.integration.scripted import found
from tests.integration.test_admin_entries import root, staff, url

__all__ = ["root"]

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.integration.test_admin_entries")]

SECRET = "zanzibar"
"""A word of a text that must be seen nowhere."""


def ask(client: Client, action: str, *entries: Entry, site: str = "admin", **data: Any) -> Any:
    """Ask for an action as the list's form does, and let happen what waits for the commit."""
    keys = [entry.pk for entry in entries]
    with TestCase.captureOnCommitCallbacks(execute=True):
        return client.post(url("changelist", site=site), {"action": action, "_selected_action": keys, **data})


def sure(client: Client, action: str, *entries: Entry, **data: Any) -> Any:
    """Ask for an action and confirm it."""
    return ask(client, action, *entries, confirmed="yes", **data)


def said(response: Any) -> list[str]:
    """Return the messages that a request left."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def state(entry: Entry) -> str:
    return str(fresh(entry).processing_state)


# Retry


def test_retry_grants_fresh_attempts_and_tells_the_queue(root: Client, sent: Callable[[], list[Any]]) -> None:
    dead = in_state(State.FAILED, reason=Reason.ATTEMPTS, attempts=5)
    done = in_state(State.COMPLETED)
    sent()
    response = ask(root, "retry_entries", dead, done)
    assert said(response) == ["1 entry is tried again.", "1 entry is left as it is: it is done, skipped or in work."]
    assert state(dead) == State.PENDING
    assert fresh(dead).processing_attempts == 0
    assert [message["args"] for message in sent()] == [[[dead.pk]]]
    assert state(done) == State.COMPLETED


def test_counts_are_in_the_plural(root: Client) -> None:
    entries = [in_state(State.FAILED) for _ in range(3)]
    assert said(ask(root, "retry_entries", *entries)) == ["3 entries are tried again."]


def test_retry_while_the_broker_is_out(root: Client, dead_broker: str) -> None:
    dead = in_state(State.FAILED)
    assert said(ask(root, "retry_entries", dead)) == ["1 entry is tried again."]
    assert state(dead) == State.CELERY_ERROR


# Process now


def test_process_now_needs_neither_worker_nor_broker(
    root: Client, scripted: Any, dead_broker: str, sent: Callable[[], list[Any]]
) -> None:
    scripted(lambda _: found("Anna"))
    entry = in_state(State.PENDING)
    assert said(ask(root, "process_entries_now", entry)) == ["1 entry is done."]
    assert state(entry) == State.COMPLETED
    assert Insight.objects.get().label == "Anna"


def test_process_now_is_bounded_and_the_rest_goes_to_the_queue(
    root: Client, scripted: Any, sent: Callable[[], list[Any]]
) -> None:
    calls = scripted()
    # Those that are done do not count towards the bound.
    done = [in_state(State.COMPLETED) for _ in range(3)]
    entries = [in_state(State.FAILED, f"day {number}") for number in range(NOW_LIMIT + 2)]
    sent()
    response = ask(root, "process_entries_now", *done, *entries)
    assert said(response) == [
        "20 entries are done.",
        "Only so many are processed while you wait: 2 further entries were left to the workers.",
        "3 entries are left as they are: they are done, skipped or in work.",
    ]
    assert len(calls) == NOW_LIMIT
    [message] = sent()
    assert {state(Entry.objects.get(pk=pk)) for pk in message["args"][0]} == {State.PENDING}


def test_process_now_says_how_each_attempt_ended(root: Client, scripted: Any) -> None:
    def act(text: str) -> Any:
        if text == "fail":
            raise RuntimeError(SECRET)
        if text == "postpone":
            raise PostponeError(SECRET)
        return found()

    scripted(act)
    entries = [in_state(State.PENDING, text) for text in ("fail", "postpone", "fine", " ")]
    response = ask(root, "process_entries_now", *entries)
    assert said(response) == [
        "1 entry is done.",
        "1 entry was skipped: there was nothing to extract.",
        "1 entry failed; its page says how.",
        "1 entry was postponed: the extraction service is out, or not set up.",
    ]


def test_process_now_says_so_when_the_text_was_edited_meanwhile(root: Client, scripted: Any) -> None:
    def edit(text: str) -> Any:
        Entry.objects.update(content="another")
        return found()

    scripted(edit)
    entry = in_state(State.PENDING, "one")
    assert said(ask(root, "process_entries_now", entry)) == ["1 entry changed meanwhile and waits again."]


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_an_extractor_works(
    root: Client, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    was_open = []

    def watch(text: str) -> Any:
        was_open.append(connection.in_atomic_block)
        return found()

    scripted(watch)
    ask(root, "process_entries_now", in_state(State.PENDING))
    assert was_open == [False]


@pytest.mark.django_db(transaction=True)
def test_the_hosts_own_actions_keep_the_transaction_of_the_request(
    root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    response = ask(root, "shout", in_state(State.PENDING), site="opinionated")
    assert said(response) == ["In a transaction: True"]


# Do over, skip: asked twice


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [("reprocess_entries", State.COMPLETED, State.PENDING), ("skip_entries", State.FAILED, State.SKIPPED)],
)
def test_what_costs_or_throws_away_asks_first(root: Client, action: str, before: State, after: State) -> None:
    entries = [in_state(before) for _ in range(2)]
    other = in_state(State.PROCESSING)
    response = ask(root, action, *entries, other)
    asked = response.content.decode()
    assert response.status_code == 200
    assert "Yes, I’m sure" in asked
    assert f"Entry {entries[0].pk}" in asked
    assert f"Entry {other.pk}" not in asked
    assert "1 entry is left as it is" in asked
    assert {state(entry) for entry in entries} == {before}
    response = sure(root, action, *entries, other)
    assert response.status_code == 302
    assert {state(entry) for entry in entries} == {after}
    assert state(other) == State.PROCESSING
    assert len(said(response)) == 2


def test_the_page_that_asks_can_be_answered_as_it_stands(root: Client) -> None:
    entries = [in_state(State.FAILED) for _ in range(2)]
    # Two action forms, the lower one pressed.
    keys = [entry.pk for entry in entries]
    pressed = {"action": ["", "skip_entries"], "index": "1", "select_across": ["0", "0"], "_selected_action": keys}
    response = root.post(url("changelist"), pressed)
    fields = response.context_data
    answer = {"action": fields["action"], "_selected_action": fields["selected"], "confirmed": "yes"}
    root.post(url("changelist"), answer | {"select_across": fields["select_across"]})
    assert {state(entry) for entry in entries} == {State.SKIPPED}


def test_all_pages_of_a_filtered_list_are_done_as_selected(root: Client) -> None:
    dead = [in_state(State.FAILED) for _ in range(LISTED + 3)]
    waiting = in_state(State.PENDING)
    address = f"{url('changelist')}?processing_state=FAILED"
    data = {"action": "skip_entries", "_selected_action": [dead[0].pk], "select_across": "1"}
    asked = root.post(address, data)
    assert asked.context_data["selected"] == [str(dead[0].pk)]
    assert asked.context_data["unnamed"] == 3
    assert f"Leave {len(dead)} entries unread?" in asked.content.decode()
    response = root.post(address, data | {"confirmed": "yes"})
    assert said(response) == [f"{len(dead)} entries were skipped."]
    assert state(waiting) == State.PENDING


def test_nothing_is_asked_where_nothing_can_be_done(root: Client) -> None:
    response = ask(root, "skip_entries", in_state(State.COMPLETED))
    assert response.status_code == 302
    assert said(response) == ["1 entry is left as it is: it is done, skipped or in work."]


def test_done_over_keeps_what_is_stored_until_it_is_replaced(root: Client, scripted: Any) -> None:
    scripted(lambda _: found("Anna"))
    entry = in_state(State.PENDING)
    ask(root, "process_entries_now", entry)
    assert said(sure(root, "reprocess_entries", entry))[-1] == "1 entry is done over."
    assert Insight.objects.get().label == "Anna"
    assert Extraction.objects.get().is_outdated


@pytest.mark.parametrize("action", ACTIONS)
def test_the_transitions_decide_what_an_action_may_move(root: Client, scripted: Any, action: str) -> None:
    scripted()
    held = in_state(State.PROCESSING)
    sure(root, action, held)
    assert state(held) == State.PROCESSING


# Permissions


CLIENTS: dict[str, tuple[str, ...]] = {
    "view": ("view_entry",),
    "change": ("view_entry", "change_entry"),
    "none": (),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(("who", "may"), [("change", True), ("view", False), ("none", False)])
def test_staff_needs_the_change_permission(scripted: Any, action: str, who: str, may: bool) -> None:
    scripted()
    entry, before = _fit_for(action)
    client = staff(*CLIENTS[who])
    shown = client.get(url("changelist")).content.decode()
    assert (f'value="{action}"' in shown) is may
    sure(client, action, entry)
    assert (state(entry) != before) is may


@pytest.mark.parametrize("action", ACTIONS)
def test_a_superuser_may_do_all(root: Client, scripted: Any, action: str) -> None:
    scripted()
    entry, before = _fit_for(action)
    sure(root, action, entry)
    assert state(entry) != before


@pytest.mark.parametrize("action", ACTIONS)
def test_nobody_else_may_do_anything(client: Client, scripted: Any, action: str) -> None:
    scripted()
    entry, before = _fit_for(action)
    response = sure(client, action, entry)
    assert response.status_code == 302
    assert "/login/" in response.headers["Location"]
    assert state(entry) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_a_link_does_nothing(root: Client, scripted: Any, action: str) -> None:
    scripted()
    entry, before = _fit_for(action)
    query = {"action": action, "_selected_action": entry.pk, "confirmed": "yes", "index": "0"}
    root.get(url("changelist"), query)
    assert state(entry) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_a_forged_request_does_nothing(root: Client, scripted: Any, action: str) -> None:
    scripted()
    entry, before = _fit_for(action)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = root.cookies
    assert sure(strict, action, entry).status_code == 403
    assert state(entry) == before


def test_a_host_grants_each_action_by_itself(root: Client) -> None:
    entry = in_state(State.COMPLETED)
    client = staff("view_entry", "change_entry")
    sure(client, "reprocess_entries", entry, site="opinionated")
    assert state(entry) == State.COMPLETED
    sure(root, "reprocess_entries", entry, site="opinionated")
    assert state(entry) == State.PENDING


def _fit_for(action: str) -> tuple[Entry, str]:
    before = State.COMPLETED if action == "reprocess_entries" else State.FAILED
    return in_state(before), before


# Privacy


@pytest.mark.parametrize("action", ACTIONS)
def test_texts_are_in_no_message_url_or_history(
    root: Client, scripted: Any, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted()
    # Many a host's model calls an entry by its title, or its first words.
    monkeypatch.setattr(Entry, "__str__", lambda self: self.content)
    before = State.COMPLETED if action == "reprocess_entries" else State.FAILED
    entry = in_state(before, SECRET)
    asked = ask(root, action, entry)
    response = sure(root, action, entry)
    assert SECRET not in asked.content.decode()
    assert SECRET not in "".join(said(response))
    assert SECRET not in response.headers["Location"]
    lines = list(LogEntry.objects.values_list("object_id", "object_repr", "change_message"))
    assert lines
    assert {line[0] for line in lines} == {str(entry.pk)}
    assert SECRET not in str(lines)
