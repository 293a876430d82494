"""Figures of an extractor, worked out by hand for a few texts."""

from __future__ import annotations

import gzip
import json
import math
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.management import CommandError, call_command

from insights_recovery.extractors import ExtractedInsight, ExtractionResult, Extractor
from insights_recovery.extractors.evaluation import evaluate, f1, macro_f1, micro_f1, pearson, predict, top_right

HERE = f"{__name__}.Parrot"
SCHEME = {
    "emotions": {"joy": {"goemotions": ["joy", "amusement"]}, "sadness": {"goemotions": ["grief"]}},
    "topics": {"work": {"sad": ["job"]}, "pets": {"claff_happydb": ["animals"]}},
}


class Parrot(Extractor):
    """Says what a text says: `emotion:joy theme:work person:Anna +0.5`."""

    name: ClassVar[str] = "parrot"
    version: ClassVar[str] = "3"

    def extract(self, text: str) -> ExtractionResult:
        if text == "boom":
            raise RuntimeError("cannot")
        pairs = [word.split(":") for word in text.split() if ":" in word]
        found = [ExtractedInsight(kind=kind, label=label.replace("_", " ")) for kind, label in pairs]
        numbers = [float(word) for word in text.split() if word[0] in "+-"]
        return ExtractionResult(insights=found, sentiment=numbers[0] if numbers else None)


def write(folder: Path, name: str, rows: list[dict[str, Any]], split: str = "dev") -> None:
    (folder / name).mkdir(exist_ok=True)
    with gzip.open(folder / name / f"{split}.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with its scheme and no set yet."""
    (tmp_path / "scheme.json").write_text(json.dumps(SCHEME))
    return tmp_path


def figures(folder: Path, **options: Any) -> dict[str, float]:
    return {f"{one.data}, {one.measure}": one.value for one in evaluate(Parrot(), folder, **options)}


def test_a_prediction_lists_the_labels_in_their_order_each_once() -> None:
    text = "emotion:joy emotion:love emotion:joy theme:work person:Anna place:Como keyphrase:the_lake +0.5"
    assert [
        {
            "emotions": ["joy", "love"],
            "topics": ["work"],
            "people": ["Anna"],
            "places": ["Como"],
            "key_phrases": ["the lake"],
            "sentiment": 0.5,
        },
        {"emotions": [], "topics": [], "people": [], "places": [], "key_phrases": [], "sentiment": 0.0},
    ] == predict([text, "nothing"], Parrot())


def test_the_embedded_extractor_is_asked_unless_another_is_named() -> None:
    (said,) = predict(["I was so happy to see my sister in London today."])
    assert "joy" in said["emotions"]
    assert "family" in said["topics"]
    assert "London" in said["places"]
    assert said["sentiment"] > 0


def test_an_extractor_that_fails_fails_the_prediction() -> None:
    with pytest.raises(RuntimeError, match="cannot"):
        predict(["boom"], Parrot())


def test_the_figures_of_a_set_count_what_it_annotates(data: Path) -> None:
    rows = [
        {"text": "emotion:joy +0.4", "emotions": ["amusement"]},
        {"text": "emotion:boredom emotion:sadness -0.4", "emotions": ["grief", "joy"]},
        {"text": "emotion:joy +0.1", "emotions": ["grief"]},
        {"text": "emotion:joy", "emotions": ["neutral"]},
    ]
    write(data, "goemotions", rows)
    found = figures(data)
    # Joy: one hit of three given and two wanted, 2/5. Sadness: one hit of one given and two wanted, 2/3.
    assert found["goemotions, emotions: macro F1"] == pytest.approx((0.4 + 2 / 3) / 2, abs=1e-4)
    # Boredom is none of its labels, so that sadness comes first in the second text; the fourth has no label.
    assert found["goemotions, emotions: top label right"] == pytest.approx(2 / 3, abs=1e-4)
    # Clear are the first, good and said so, and the third, bad and said good.
    assert found["goemotions, polarity: macro F1"] == pytest.approx((2 / 3 + 0) / 2, abs=1e-4)


def test_people_places_and_phrases_are_compared_without_case(data: Path) -> None:
    entities = [["person", "Anna"], ["location", "como"], ["product", "Bike"]]
    write(data, "wnut17", [{"text": "person:anna person:Bo place:Como", "entities": entities}])
    write(data, "inspec", [{"text": "keyphrase:Neural_Nets keyphrase:other", "keys": ["neural nets"]}])
    found = figures(data)
    assert found["wnut17, people: F1"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["wnut17, places: F1"] == 1
    assert found["inspec, key phrases: F1"] == pytest.approx(2 / 3, abs=1e-4)


def test_ratings_are_correlated_within_their_domain(data: Path) -> None:
    rows = [
        {"text": f"{said:+}", "domain": domain, "score": score}
        for domain, said, score in (("tweets", 0.1, 1), ("tweets", 0.2, 2), ("films", 0.1, 2), ("films", 0.2, 1))
    ]
    write(data, "vader_gt", rows)
    found = figures(data)
    assert found["vader_gt, sentiment of tweets: Pearson r"] == pytest.approx(1)
    assert found["vader_gt, sentiment of films: Pearson r"] == pytest.approx(-1)


def test_a_limit_and_a_split_choose_the_texts(data: Path) -> None:
    write(data, "sad", [{"text": "theme:work", "topics": ["job"]}] * 3, split="test")
    write(data, "sad", [{"text": "nothing", "topics": ["job"]}])
    assert figures(data)["sad, topics: top label right"] == 0
    assert figures(data, split="test")["sad, topics: top label right"] == 1
    assert {one.texts for one in evaluate(Parrot(), data, split="test", limit=2)} == {2}


def test_figures_of_nothing_are_zero() -> None:
    assert [0, 0, 0, 0, 0] == [
        top_right([], []),
        macro_f1([], []),
        micro_f1([], []),
        f1(0, 0, 0),
        pearson([1.0, 1.0], [1.0, 2.0]),
    ]
    assert math.isclose(macro_f1([frozenset("a"), frozenset("b")], [["a"], ["b"]], enough=2), 0)


# The command


def run(*arguments: str) -> str:
    said = StringIO()
    call_command("evaluate_extractor", *arguments, stdout=said)
    return said.getvalue()


def test_the_command_prints_a_table_or_one_object(data: Path) -> None:
    write(data, "sad", [{"text": "theme:work", "topics": ["job"]}])
    assert "topics: top label right" in run(HERE, "--data", str(data))
    facts = json.loads(run(HERE, "--data", str(data), "--format", "json"))
    assert (facts["extractor"], facts["version"]) == ("parrot", "3")
    assert {"data": "sad", "measure": "topics: micro F1", "value": 1.0, "texts": 1} in facts["figures"]


@pytest.mark.parametrize(
    ("path", "folder", "split", "sentence"),
    [
        (HERE, "nowhere", "dev", "has no scheme.json"),
        (HERE, ".", "test", "name another --split"),
        ("no.such.Extractor", ".", "dev", "cannot be imported"),
    ],
)
def test_wrong_usage_says_what_to_do(data: Path, path: str, folder: str, split: str, sentence: str) -> None:
    write(data, "sad", [{"text": "theme:work", "topics": ["job"]}])
    with pytest.raises(CommandError, match=sentence) as refused:
        run(path, "--data", str(data / folder), "--split", split)
    assert refused.value.returncode == 2
