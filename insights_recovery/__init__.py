"""Recovery of journal insights: every entry ends up with insights, none twice, whatever fails on the way."""
