"""F1 of people and places on WNUT-17: `python -m training.wnut DATA`. Evaluation only; nothing is learnt from it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from insights_recovery.extractors.base import Kind
from insights_recovery.extractors.local import LocalExtractor
from training.corpus import read_rows

_KINDS: Mapping[str, Kind] = {"person": Kind.PERSON, "location": Kind.PLACE}


def main() -> None:
    """Print precision, recall and F1 per kind on the development split; a hit has the same words and kind."""
    parser = argparse.ArgumentParser(prog="python -m training.wnut", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with a folder per data set")
    rows = read_rows(parser.parse_args().data, "wnut17", "dev")
    extractor = LocalExtractor()
    found = [_named(extractor, row["text"]) for row in rows]
    for name, kind in _KINDS.items():
        wanted = [{text.casefold() for label, text in row["entities"] if label == name} for row in rows]
        given = [{text for label, text in named if label is kind} for named in found]
        _report(name, wanted, given)


def _named(extractor: LocalExtractor, text: str) -> set[tuple[Any, str]]:
    return {(insight.kind, insight.label.casefold()) for insight in extractor.extract(text).insights}


def _report(name: str, wanted: list[set[str]], given: list[set[str]]) -> None:
    hits = sum(len(right & mine) for right, mine in zip(wanted, given, strict=True))
    precision = hits / max(sum(map(len, given)), 1)
    recall = hits / max(sum(map(len, wanted)), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    print(f"{name:9} precision {precision:.3f}  recall {recall:.3f}  F1 {f1:.3f}")


if __name__ == "__main__":
    main()
