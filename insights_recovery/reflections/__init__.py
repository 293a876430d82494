"""Reading insights back: what a journal says over weeks and years.

Each function takes a queryset of the host's entries and counts what holds of them now: insights of the texts as they
stand and those that a person made, none of an older text, none that a person removed. Labels that differ in case only
are one, and are shown in their commonest spelling.
"""

from insights_recovery.reflections.companions import Pair, pairs
from insights_recovery.reflections.mentions import Mention, mentions
from insights_recovery.reflections.moods import Often, PeriodMood, mood_over_time
from insights_recovery.reflections.periods import Period, Unit
from insights_recovery.reflections.selection import entries_of
from insights_recovery.reflections.similarity import Similar, similar_entries
from insights_recovery.reflections.themes import PeriodShare, ThemeTrend, theme_trends
from insights_recovery.reflections.trends import Direction, Trend

__all__ = [
    "Direction",
    "Mention",
    "Often",
    "Pair",
    "Period",
    "PeriodMood",
    "PeriodShare",
    "Similar",
    "ThemeTrend",
    "Trend",
    "Unit",
    "entries_of",
    "mentions",
    "mood_over_time",
    "pairs",
    "similar_entries",
    "theme_trends",
]
