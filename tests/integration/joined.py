"""A host whose text is joined from two fields, on the table of the main test host."""

from __future__ import annotations

from tests.hosts.notes.models import Entry


class JoinedEntry(Entry):
    """Its text is its title and its content."""

    class Meta:
        app_label = "notes"
        proxy = True

    def get_insight_text(self) -> str:
        return f"{self.title}: {self.content}"


class MoodyEntry(Entry):
    """Its hook fails for some texts, and gives no text for others."""

    class Meta:
        app_label = "notes"
        proxy = True

    def get_insight_text(self) -> str:
        if "unreadable" in self.content:
            raise LookupError(self.content)
        return None if "nothing" in self.content else self.content  # type: ignore[return-value]
