"""Forms."""

from __future__ import annotations

from django import forms

from .models import JournalEntry

LOCAL_MINUTES = "%Y-%m-%dT%H:%M"
"""How a browser writes a `datetime-local` value."""


class EntryForm(forms.ModelForm):
    """Writes or edits an entry."""

    written_at = forms.DateTimeField(
        label="When",
        input_formats=[LOCAL_MINUTES, f"{LOCAL_MINUTES}:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL_MINUTES),
    )

    class Meta:
        model = JournalEntry
        fields = ["content", "title", "written_at"]
        labels = {"content": "Your entry", "title": "Title"}
        help_texts = {"title": "Leave it empty, and one will be found for you."}
        widgets = {"content": forms.Textarea(attrs={"rows": 12, "placeholder": "What was on your mind today?"})}

    def clean_content(self) -> str:
        """Return the text with the line ends that it had before a browser sent it.

        An unchanged text must stay the same text, or opening and saving an entry would have it read again.
        """
        return str(self.cleaned_data["content"]).replace("\r\n", "\n")


class SearchForm(forms.Form):
    """Looks for words in one's own entries."""

    words = forms.CharField(
        label="Search your entries",
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Search your entries"}),
    )
