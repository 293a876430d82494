"""`evaluate_extractor`: how good an extractor is on labelled texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from insights_recovery.exceptions import ConfigurationError
from insights_recovery.extractors import loading
from insights_recovery.extractors.evaluation import Figure, evaluate
from insights_recovery.management.output import ReportingCommand, count, table, wrong_usage


class Command(ReportingCommand):
    """Compare an extractor with people."""

    help = (
        "Print how well an extractor does on labelled texts: F1 and top labels of emotions and topics, sentiment "
        "against ratings, people, places and key phrases, and texts a second. Nothing is stored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the extractor and the data."""
        super().add_arguments(parser)
        parser.add_argument("path", help="dotted path of the extractor's class, as in EXTRACTORS.")
        parser.add_argument(
            "--data", type=Path, required=True, help="folder with scheme.json and a folder per data set."
        )
        parser.add_argument("--split", default="dev", help="which texts: <data set>/<split>.jsonl.gz (default dev).")
        parser.add_argument("--limit", type=count, help="at most so many texts of each data set.")

    def handle(self, *, output: str, path: str, data: Path, split: str, limit: int | None, **_: Any) -> None:
        """Evaluate, and report."""
        if not (data / "scheme.json").is_file():
            raise wrong_usage(f"{data} has no scheme.json: --data takes the folder with the data sets.")
        try:
            (extractor,) = loading.load([path])
        except ConfigurationError as error:
            raise wrong_usage(str(error)) from error
        figures = list(evaluate(extractor, data, split=split, limit=limit))
        if not figures:
            raise wrong_usage(f"No data set in {data} has a {split}.jsonl.gz: name another --split.")
        facts = {"extractor": extractor.name, "version": extractor.version, "figures": [*map(asdict, figures)]}
        self.report(output, facts, self._lines(figures))

    def _lines(self, figures: Iterable[Figure]) -> Iterable[str]:
        rows = [(figure.data, f"{figure.value:g}", figure.measure, f"{figure.texts} texts") for figure in figures]
        return table([("data set", "figure", "of what", "on"), *rows])
