"""The pages: an author sees the own entries and nobody else's, and nothing in a text becomes markup."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from journal.factories import AuthorFactory, EntryFactory, fail, finish, found, hold_back, take
from journal.models import JournalEntry
from journal.urls import urlpatterns
from journal.views import excerpt

from insights_recovery.extractors.base import Kind
from insights_recovery.lifecycle import WAITING, Reason, State
from insights_recovery.models import Insight

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert('Anna & \"Bob\"')</script>\n<img src=x onerror=alert(1)> {{ 7|add:7 }}"


@pytest.fixture
def author() -> Any:
    return AuthorFactory()


@pytest.fixture
def browser(author: Any) -> Client:
    client = Client()
    client.force_login(author)
    return client


def addresses(entry: JournalEntry) -> dict[str, str]:
    """Return every address of the journal by its name, for this entry."""
    arguments = {"pk": entry.pk, "insight_pk": entry.insights.first().pk}
    return {
        pattern.name: reverse(
            f"journal:{pattern.name}", kwargs={name: arguments[name] for name in pattern.pattern.converters}
        )
        for pattern in urlpatterns
    }


def read_entry(**fields: Any) -> JournalEntry:
    entry = EntryFactory(**fields)
    return finish(entry, found(entry.content, entry.content[:6], Kind.THEME))


def test_without_signing_in_every_page_leads_to_the_login() -> None:
    for name, address in addresses(read_entry()).items():
        for method in ("get", "post"):
            response = getattr(Client(), method)(address)
            assert (response.status_code, response.headers.get("Location", "")[:7]) == (302, "/login/"), (name, method)


def test_somebody_elses_entry_does_not_exist(browser: Client) -> None:
    entry = read_entry()
    of_one_entry = {name: url for name, url in addresses(entry).items() if re.search(r"\d", url)}
    assert set(of_one_entry) == {"detail", "state", "edit", "delete", "retry", "about"}
    for name, address in of_one_entry.items():
        post_only, get_only = name == "retry", name in {"detail", "state", "about"}
        assert browser.get(address).status_code == (405 if post_only else 404), name
        assert browser.post(address, {"content": "mine now"}).status_code == (405 if get_only else 404), name
    entry.refresh_from_db()
    assert entry.content == EntryFactory.content


def test_lists_and_figures_hold_the_own_entries_only(browser: Client, author: Any) -> None:
    read_entry(content="Secret of somebody else", title="Strange title")
    read_entry(author=author, content="My own river", title="My title")
    browser.post(reverse("journal:search"), {"words": "e"})
    for name in ("list", "search", "overview"):
        page = browser.get(reverse(f"journal:{name}")).content.decode()
        assert "Secret" not in page, name
        assert "Strange" not in page, name
    assert "My title" in browser.get(reverse("journal:list")).content.decode()


def test_a_staff_member_is_an_author_like_any_other(browser: Client, author: Any) -> None:
    author.is_staff = author.is_superuser = True
    author.save()
    assert browser.get(read_entry().get_absolute_url()).status_code == 404


def test_writing(browser: Client, author: Any) -> None:
    written_at = "2026-03-05T21:30"
    response = browser.post(
        reverse("journal:write"), {"content": "First line\r\nsecond line", "title": "", "written_at": written_at}
    )
    entry = JournalEntry.objects.get()
    assert response.headers["Location"] == entry.get_absolute_url()
    assert (entry.author, entry.content, entry.processing_state) == (author, "First line\nsecond line", State.PENDING)
    assert entry.written_at.isoformat() == "2026-03-05T21:30:00+00:00"


def test_times_are_read_in_the_browsers_zone(browser: Client) -> None:
    browser.cookies["journal_time_zone"] = "Europe/Berlin"
    browser.post(reverse("journal:write"), {"content": "Late", "written_at": "2026-03-05T21:30"})
    assert JournalEntry.objects.get().written_at.isoformat() == "2026-03-05T20:30:00+00:00"


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../../etc/passwd", "\x00", "Europe", "A" * 5000])
def test_a_forged_time_zone_is_passed_over(browser: Client, zone: str) -> None:
    browser.cookies["journal_time_zone"] = zone
    assert browser.get(reverse("journal:list")).status_code == 200


def test_an_empty_entry_is_refused_in_place(browser: Client) -> None:
    response = browser.post(reverse("journal:write"), {"content": " \n ", "written_at": "2026-03-05T21:30"})
    assert response.status_code == 422
    assert "This field is required" in response.content.decode()
    assert not JournalEntry.objects.exists()


def test_saving_an_unchanged_text_keeps_its_insights(browser: Client, author: Any) -> None:
    entry = finish(EntryFactory(author=author, content="One\ntwo"))
    form = {"content": "One\r\ntwo", "title": "New title", "written_at": "2026-03-05T21:30"}
    browser.post(reverse("journal:edit", args=[entry.pk]), form)
    entry.refresh_from_db()
    assert (entry.title, entry.processing_state) == ("New title", State.COMPLETED)


def test_editing_has_the_entry_read_again(browser: Client, author: Any) -> None:
    entry = finish(EntryFactory(author=author))
    form = {"content": "Another text", "title": "", "written_at": "2026-03-05T21:30"}
    browser.post(reverse("journal:edit", args=[entry.pk]), form)
    entry.refresh_from_db()
    assert (entry.processing_state, entry.processing_reason) == (State.PENDING, Reason.EDITED)
    assert "You changed the text" in browser.get(entry.get_absolute_url()).content.decode()


def test_deleting_asks_first(browser: Client, author: Any) -> None:
    entry = read_entry(author=author)
    address = reverse("journal:delete", args=[entry.pk])
    assert "Delete this entry?" in browser.get(address).content.decode()
    assert JournalEntry.objects.exists()
    assert browser.post(address).headers["Location"] == reverse("journal:list")
    assert not JournalEntry.objects.exists()
    assert not Insight.objects.exists()


def test_retry_is_a_post(browser: Client, author: Any) -> None:
    entry = fail(EntryFactory(author=author))
    address = reverse("journal:retry", args=[entry.pk])
    page = browser.get(entry.get_absolute_url()).content.decode()
    assert re.search(rf'<form method="post" action="{address}">.*csrfmiddlewaretoken.*Try again', page)
    assert browser.get(address).status_code == 405
    entry.refresh_from_db()
    assert entry.processing_state == State.FAILED
    assert browser.post(address).status_code == 302
    entry.refresh_from_db()
    assert entry.processing_state in WAITING
    assert entry.processing_attempts == 0


def test_retry_demands_the_token_of_the_form(author: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(author)
    entry = fail(EntryFactory(author=author))
    assert client.post(reverse("journal:retry", args=[entry.pk])).status_code == 403


def test_retry_cuts_no_back_off_short(browser: Client, author: Any) -> None:
    entry = hold_back(EntryFactory(author=author), Reason.RETRY, seconds=600)
    browser.post(reverse("journal:retry", args=[entry.pk]))
    before = entry.processing_not_before
    entry.refresh_from_db()
    assert entry.processing_not_before == before


def test_a_hostile_text_stays_text(browser: Client, author: Any) -> None:
    entry = EntryFactory(author=author, content=HOSTILE, title="<b>title</b>")
    script = found(HOSTILE, "<script>alert", Kind.EMOTION, label='"><script>alert(2)</script>')
    overlapping = found(
        HOSTILE, "alert('Anna & \"Bob\"')</script>\n<img", Kind.PERSON, label="<i>Anna</i>", sentiment=0.5
    )
    finish(entry, script, overlapping, summary="<script>alert(3)</script>", title="<script>alert(4)</script>")
    browser.post(reverse("journal:search"), {"words": "<script>"})
    for name, address in addresses(entry).items():
        if name == "retry":
            continue
        page = browser.get(address).content.decode()
        assert "<script>alert" not in page, name
        assert "<img src=x" not in page, name
        assert "<i>Anna" not in page, name
        assert "<b>title" not in page, name
    page = browser.get(entry.get_absolute_url()).content.decode()
    shown = re.search(r'<div class="card entry-text" id="text">(.*?)</div>', page, re.DOTALL)
    assert shown is not None
    assert re.findall(r"</?(\w+)", shown[1]) == ["mark", "mark"] * 3
    assert "&lt;script&gt;" in shown[1]


def test_no_page_has_anything_inline(browser: Client, author: Any) -> None:
    for address in (*addresses(read_entry(author=author)).values(), reverse("login")):
        response = browser.get(address)
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
        assert "no-store" in response.headers["Cache-Control"]
        page = response.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://(?!testserver)", page), address


def test_words_looked_for_stay_out_of_addresses(browser: Client, author: Any) -> None:
    read_entry(author=author, content="A walk by the river", title="River")
    read_entry(author=author, content="A day at home", title="Home")
    response = browser.post(reverse("journal:search"), {"words": "RIVER walk"})
    assert response.headers["Location"] == "/search/"
    page = browser.get("/search/").content.decode()
    assert "1 entry" in page
    assert "RIVER walk" in page
    assert "Home" not in page
    assert browser.post(reverse("journal:search"), {"words": " "}).headers["Location"] == "/"


def test_entries_that_share_a_finding(browser: Client, author: Any) -> None:
    with_anna, with_ben = "Lunch with Anna.", "Lunch with Ben."
    first = finish(EntryFactory(author=author, content=with_anna), found(with_anna, "Anna"))
    finish(EntryFactory(author=author, content=with_ben), found(with_ben, "Ben"))
    finish(EntryFactory(content=with_anna), found(with_anna, "Anna"))
    page = browser.get(reverse("journal:about", args=[first.insights.get().pk])).content.decode()
    assert "1 entry" in page
    assert "Ben" not in page


def test_the_list_is_paged_and_asks_a_fixed_number_of_queries(
    browser: Client, author: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(25):
        read_entry(author=author)
    with django_assert_max_num_queries(8):
        page = browser.get(reverse("journal:list")).content.decode()
    assert page.count('class="entry"') == 20
    assert 'href="?page=2"' in page
    assert browser.get("/?page=2").content.decode().count('class="entry"') == 5
    assert browser.get("/?page=zero").status_code == 200


def test_the_page_follows_an_entry_until_it_is_settled(browser: Client, author: Any) -> None:
    entry = take(EntryFactory(author=author))
    address = reverse("journal:state", args=[entry.pk])
    assert f'data-live="{address}"' in browser.get(entry.get_absolute_url()).content.decode()
    fragment = browser.get(address).content.decode()
    assert "<html" not in fragment
    assert "Reading your entry…" in fragment
    assert "Look again" in fragment
    assert "data-live" in browser.get("/?fragment=1").content.decode()


def test_a_settled_page_asks_nothing_more(browser: Client, author: Any) -> None:
    entry = read_entry(author=author)
    for address in (entry.get_absolute_url(), reverse("journal:state", args=[entry.pk]), "/", "/?fragment=1"):
        assert "data-live" not in browser.get(address).content.decode()


def test_the_overview_counts_the_period(browser: Client, author: Any) -> None:
    text = "Happy with Anna."
    now = timezone.now()
    finish(EntryFactory(author=author, content=text, written_at=now), found(text, "Anna", sentiment=0.9), sentiment=0.9)
    finish(EntryFactory(author=author, content=text, written_at=now - timedelta(days=60)), found(text, "Anna"))
    EntryFactory(author=author, written_at=now - timedelta(days=2))
    month = browser.get("/overview/?days=30").content.decode()
    assert "2 entries" in month
    assert "1 still to be read" in month
    assert month.count("<rect class=") == 1
    assert "3 entries" in browser.get("/overview/?days=90").content.decode()
    assert browser.get("/overview/?days=abc").status_code == 200


@pytest.mark.parametrize(
    ("text", "title", "expected"),
    [
        ("I slept well. Then I rose.", "I slept well", "Then I rose."),
        ("Yesterday, I slept well. Then I rose.", "I slept well", "Then I rose."),
        ("I slept well", "I slept well", "I slept well"),
        ("I slept well.", "Sleep", "I slept well."),
        ("I slept so very well.", "I slept so…", "…very well."),
    ],
)
def test_an_excerpt_does_not_repeat_the_title(text: str, title: str, expected: str) -> None:
    assert excerpt(text, title) == expected


def test_the_admin_shows_no_word_of_a_journal(browser: Client, author: Any) -> None:
    author.is_staff = author.is_superuser = True
    author.save()
    entry = read_entry(content="Most private words", title="Private title")
    for address in ("admin:journal_journalentry_changelist", "admin:journal_journalentry_change"):
        arguments = [entry.pk] if address.endswith("change") else []
        response = browser.get(reverse(address, args=arguments))
        assert response.status_code == 200
        assert "rivate" not in response.content.decode()
