"""The embedded extractor: what it finds, that it finds it in the right place, and that no text upsets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insights_recovery.extractors.base import MAX_INSIGHTS, ExtractedInsight, ExtractionResult, Kind, normalised
from insights_recovery.extractors.local import LocalExtractor, features, model
from insights_recovery.extractors.local.language import detect
from insights_recovery.extractors.local.lexicon import lexical_feeling
from insights_recovery.extractors.local.passages import LONGEST_SENTENCE, clauses, sentences, windows, words

ROOT = Path(__file__).resolve().parents[2]
EXTRACTOR = LocalExtractor()
EMOTIONS = {
    "joy", "excitement", "gratitude", "love", "pride", "contentment", "hope", "surprise", "sadness", "anger",
    "frustration", "anxiety", "shame", "disgust", "confusion", "boredom", "nostalgia",
}  # fmt: skip
TOPICS = {
    "family", "friends", "love", "work", "school", "health", "exercise", "food", "sleep", "money", "leisure", "travel",
    "pets", "spirituality", "shopping", "celebration", "nature", "technology",
}  # fmt: skip
HOSTILE = {
    "empty": "",
    "spaces": " " * 1_000_000,
    "newlines": "\n" * 100_000,
    "full stops": "." * 1_000_000,
    "one word": "x" * 1_000_000,
    "NUL": "I am happy.\x00\x00 So happy\x00.",
    "lone surrogates": "I am \ud800 happy \udfff with Anna in Berlin.",
    "emoji": "😀😭🎉" * 2_000,
    "right to left": "היום היה יום טוב מאוד עם אמא",
    "combining marks": "e\u0301" * 20_000 + " İß\u200d\ufeff",
    "quotes without end": 'watched "' * 20_000,
    "capitals joined by of": "A of " * 20_000,
    "commas": ", and I " * 20_000,
    "links": "http://" * 20_000,
    "hashtags": "#a" * 20_000,
    "initials": "A." * 20_000,
}


WORD_HASHES = ["13f207a44f0ad27a", "48028e93e09a0388", "e7e6357d7c501bf8", "75cc38fc48c49dd0", "369992120e8aede2"]
CHARACTER_HASHES = "eafa147e269774e0"


def _of(result: ExtractionResult, kind: Kind) -> list[ExtractedInsight]:
    return [insight for insight in result.insights if insight.kind == kind]


def _labels(text: str, kind: Kind) -> list[str]:
    return [insight.label for insight in _of(EXTRACTOR.extract(text), kind)]


def _feeling(text: str, label: str) -> float:
    found = [i for i in EXTRACTOR.extract(text).insights if i.label == label and i.kind != Kind.TAG]
    assert found, f"nothing found that is called {label}"
    assert found[0].sentiment is not None
    return found[0].sentiment


def _assert_sound(result: ExtractionResult, text: str) -> None:
    """Every span is exact, every score in its range, and nothing is left for `normalised` to mend."""
    for insight in result.insights:
        assert insight.start is not None
        assert insight.end is not None
        assert 0 <= insight.start < insight.end <= len(text)
        assert text[insight.start : insight.end] == insight.snippet
        assert insight.label.strip()
        assert insight.sentiment is None or -1 <= insight.sentiment <= 1
        assert insight.confidence is not None
        assert 0 <= insight.confidence <= 1
    assert result.sentiment is None or -1 <= result.sentiment <= 1
    assert len(result.insights) <= MAX_INSIGHTS
    assert len(normalised(result, text).insights) == len(result.insights)


@pytest.mark.parametrize(
    ("text", "expected", "sign"),
    [
        ("I am so happy today, we laughed and danced all night!", {"joy", "excitement"}, 1),
        ("Such a great day. I had so much fun with my friends!", {"joy", "excitement", "contentment"}, 1),
        ("Thank you so much for everything, I really appreciate your help.", {"gratitude"}, 1),
        ("I am so proud of my daughter for winning the prize.", {"pride", "joy"}, 1),
        ("I love him with all my heart.", {"love"}, 1),
        ("I hope it all works out, I wish us the best of luck.", {"hope"}, 1),
        ("Grandma died this morning. I miss her and I cannot stop crying.", {"sadness"}, -1),
        ("I feel so sad and lonely since he left me.", {"sadness"}, -1),
        ("I am furious. How dare he lie to me, I hate him!", {"anger"}, -1),
        ("I am terrified of the surgery, I am so scared and nervous.", {"anxiety"}, -1),
        ("I am so ashamed and embarrassed about what I did. I'm sorry.", {"shame", "sadness"}, -1),
        ("The traffic was so annoying, I was really frustrated.", {"frustration", "anger"}, -1),
        ("That smell was disgusting, it made me sick.", {"disgust"}, -1),
    ],
)
def test_a_plain_feeling_is_ranked_first_and_gives_the_sign(text: str, expected: set[str], sign: int) -> None:
    result = EXTRACTOR.extract(text)
    emotions = _of(result, Kind.EMOTION)
    assert emotions
    assert emotions[0].label in expected
    assert result.sentiment is not None
    assert result.sentiment * sign > 0.1


@pytest.mark.parametrize(
    ("text", "theme"),
    [
        ("I went to the gym and lifted weights for an hour.", "exercise"),
        ("My boss gave me a new project with a tight deadline at the office.", "work"),
        ("I have to study for my final exams at university.", "school"),
        ("My cat had kittens and my dog was so curious.", "pets"),
        ("We cooked pasta and ate a delicious chocolate cake.", "food"),
        ("My parents and my brother visited us with the kids.", "family"),
        ("I cannot pay my rent and my credit card debt is growing.", "money"),
        ("I prayed to God in church this morning.", "spirituality"),
    ],
)
def test_a_plain_subject_is_the_first_theme(text: str, theme: str) -> None:
    assert _labels(text, Kind.THEME)[0] == theme


def test_at_most_three_emotions_and_themes_are_shown_likeliest_first_and_from_the_scheme() -> None:
    text = (
        "My sister and my friends came for dinner and we drank wine. I was happy, proud and excited, and grateful for "
        "them, but also anxious about work, sad about grandma and angry at my boss. I could not sleep and went running."
    )
    for kind, scheme, least in ((Kind.EMOTION, EMOTIONS, 2), (Kind.THEME, TOPICS, 1)):
        found = _of(EXTRACTOR.extract(text), kind)
        confidences = [insight.confidence or 0 for insight in found]
        assert least <= len(found) <= 3
        assert {insight.label for insight in found} <= scheme
        assert confidences == sorted(confidences, reverse=True)


def test_the_model_knows_the_whole_scheme() -> None:
    loaded = model.load()
    assert {label.name for label in loaded.emotions} == EMOTIONS
    assert {label.name for label in loaded.topics} == TOPICS


@pytest.mark.parametrize(
    ("text", "kind", "label"),
    [
        ("Yesterday I met Anna at the station.", Kind.PERSON, "Anna"),
        ("I had coffee with Zuzka Novotna and we talked.", Kind.PERSON, "Zuzka Novotna"),
        ("We asked Dr. Okonkwo about it.", Kind.PERSON, "Dr. Okonkwo"),
        ("I called my mom after lunch.", Kind.PERSON, "my mom"),
        ("The landlord raised the rent again.", Kind.PERSON, "landlord"),
        ("We flew to Lisbon on Friday.", Kind.PLACE, "Lisbon"),
        ("New York was loud and bright.", Kind.PLACE, "New York"),
        ("We walked along Baker Street.", Kind.PLACE, "Baker Street"),
        ("I spent the day at the beach.", Kind.PLACE, "beach"),
        ("I applied for a job at Microsoft.", Kind.ORGANISATION, "Microsoft"),
        ("She studies at Heriot University.", Kind.ORGANISATION, "Heriot University"),
        ("The wedding was on a farm.", Kind.EVENT, "wedding"),
        ("We all met for Christmas.", Kind.EVENT, "Christmas"),
        ("I bought a new laptop.", Kind.PRODUCT, "laptop"),
        ("I went for a run before work.", Kind.ACTIVITY, "running"),
        ("We shared a pizza.", Kind.FOOD, "pizza"),
        ("We watched The Crown until midnight.", Kind.MEDIA, "The Crown"),
        ('I am reading "The Long Winter" again.', Kind.MEDIA, "The Long Winter"),
    ],
)
def test_what_a_text_mentions_is_found(text: str, kind: Kind, label: str) -> None:
    found = [insight for insight in _of(EXTRACTOR.extract(text), kind) if insight.label == label]
    assert len(found) == 1
    assert text[found[0].start : found[0].end] == found[0].snippet


@pytest.mark.parametrize(
    "text",
    [
        "Yesterday was fine.",
        "On Monday I slept.",
        "Dinner was good.",
        "I will mark the page.",
        "THIS IS ALL SHOUTED TODAY",
    ],
)
def test_words_that_only_look_like_names_are_no_people(text: str) -> None:
    assert _labels(text, Kind.PERSON) == []


def test_one_entity_is_one_insight_however_often_it_is_named() -> None:
    text = "Mom called. I told my mom about Peter. Peter likes mom. Peter's car is red."
    assert sorted(label.lower() for label in _labels(text, Kind.PERSON)) == ["mom", "peter"]


def test_spans_count_code_points_of_the_text_as_it_is() -> None:
    text = "  😀 İstanbul…\r\n\tThen I met Anna’s friend in Berlin 😀."
    result = EXTRACTOR.extract(text)
    _assert_sound(result, text)
    found = {insight.label: insight for insight in result.insights if insight.kind in {Kind.PERSON, Kind.PLACE}}
    assert found["Anna"].start == text.index("Anna")
    assert found["Anna"].snippet == "Anna"
    assert found["Berlin"].start == text.index("Berlin")


def test_each_entity_carries_the_feeling_of_its_own_clause() -> None:
    text = "I had a wonderful lunch with Sarah, but my boss was horrible and rude to me."
    assert _feeling(text, "Sarah") > 0.2
    assert _feeling(text, "my boss") < -0.2


def test_feelings_do_not_leak_between_sentences() -> None:
    text = "I hate my neighbour, he is disgusting and cruel. The beach in Lisbon was beautiful and I loved it."
    assert _feeling(text, "my neighbour") < -0.2
    assert _feeling(text, "Lisbon") > 0.2


def test_a_feeling_that_follows_in_the_next_sentence_counts() -> None:
    neutral = _feeling("Then I met Anna in Paris.", "Anna")
    assert _feeling("Then I met Anna in Paris. She was wonderful.", "Anna") > neutral + 0.1
    assert _feeling("Then I met Anna in Paris. She was horrible.", "Anna") < neutral - 0.1


def test_negation_turns_a_feeling() -> None:
    plain, negated = (EXTRACTOR.extract(text).sentiment for text in ("I am happy.", "I am not happy."))
    assert plain is not None
    assert negated is not None
    assert plain > 0.3
    assert negated < 0
    assert "joy" not in _labels("I am not happy.", Kind.EMOTION)


def test_the_lexicon_hears_negation_strength_and_emoji() -> None:
    assert lexical_feeling("very good") > lexical_feeling("good") > lexical_feeling("slightly good") > 0
    assert lexical_feeling("not good") < 0
    assert lexical_feeling("😀") > 0 > lexical_feeling("😭")
    assert lexical_feeling("the table") == 0


def test_emotions_name_the_sentence_that_bears_them() -> None:
    text = "We laughed and had so much fun. Then grandpa died and I cried, I am so sad."
    proofs = {insight.label: insight.snippet for insight in _of(EXTRACTOR.extract(text), Kind.EMOTION)}
    assert "sad" in proofs["sadness"]


def test_title_and_summary_are_words_of_the_text() -> None:
    opening = "The garden is finally in bloom and the roses look wonderful."
    text = opening + " It rained." * 3 + " The roses in the garden need water every day. We sat outside until late."
    result = EXTRACTOR.extract(text)
    assert result.summary
    assert len(result.summary) < len(text)
    assert all(part.strip(" .") in text for part in result.summary.split(". "))
    assert "roses" in result.summary
    assert result.title.rstrip("…").lower() in text.lower()
    assert 0 < len(result.title) <= 70


def test_key_phrases_come_from_the_text_weightiest_first() -> None:
    text = "The solar panels are on the roof. The solar panels cost a fortune. My uncle paid for the solar panels."
    found = _of(EXTRACTOR.extract(text), Kind.KEYPHRASE)
    weights = [insight.confidence or 0 for insight in found]
    assert found[0].label == "solar panels"
    assert weights == sorted(weights, reverse=True)


def test_tags_hold_the_writers_own_hashtags_first_and_no_doubles() -> None:
    tags = _labels("Ran ten miles with Anna today! #marathon #Marathon #training", Kind.TAG)
    assert tags[:2] == ["marathon", "training"]
    assert len(tags) == len(set(tags))


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Today I went to work and it was fine.", "en"),
        ("Heute war ein schöner Tag mit meiner Schwester.", "de"),
        ("Hoy fui a la playa con mi hermana y estaba muy feliz.", "es"),
        ("Aujourd'hui j'ai mangé avec ma mère et c'était très bien.", "fr"),
        ("Oggi sono andato al mare con mia sorella.", "it"),
        ("Hoje fui à praia com minha irmã.", "pt"),
        ("Vandaag was een goede dag met mijn zus.", "nl"),
        ("Сегодня был хороший день", "ru"),
        ("今日は楽しい一日でした", "ja"),
        ("今天我很开心", "zh"),
        ("오늘은 정말 좋은 하루였다", "ko"),
        ("אני שמח היום", "he"),
        ("12345 !!!", ""),
    ],
)
def test_languages_are_told_apart(text: str, tag: str) -> None:
    assert detect(text) == tag
    assert EXTRACTOR.extract(text).language == tag


def test_other_languages_get_what_still_works_and_no_guesses() -> None:
    text = "Heute war ein sehr schöner Tag. Ich habe mit Anna in Berlin Kaffee getrunken. #sommer"
    result = EXTRACTOR.extract(text)
    _assert_sound(result, text)
    kinds = {insight.kind for insight in result.insights}
    assert result.sentiment is None
    assert not kinds & {Kind.EMOTION, Kind.THEME, Kind.ACTIVITY, Kind.FOOD}
    assert {insight.label for insight in result.insights} >= {"Anna", "Berlin", "sommer"}
    assert result.title
    assert result.summary
    assert all(insight.sentiment is None for insight in result.insights)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_neither_raise_nor_break_a_span(name: str) -> None:
    _assert_sound(EXTRACTOR.extract(HOSTILE[name]), HOSTILE[name])


def test_blank_texts_hold_nothing() -> None:
    assert EXTRACTOR.extract(" \n\t ") == ExtractionResult()


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=400))
def test_any_text_gives_a_sound_result(text: str) -> None:
    _assert_sound(EXTRACTOR.extract(text), text)


_PIECES = st.sampled_from(
    ["I", "my mom", "Anna", "Dr.", "in Berlin", "but", "not happy", "hate", ".", "!\n", "\n\n", '"', "’s", "of The",
     "…", "😭", "#t", "www.x", "\x00", "\ud83d", "watched", "A.B.", " - ", ", and we", "pizza", "İ", "\u2028", "()"]
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(_PIECES, max_size=60), st.sampled_from(["", " ", "  \t"]))
def test_any_pile_of_cues_gives_a_sound_result(pieces: list[str], gap: str) -> None:
    text = gap.join(pieces)
    _assert_sound(EXTRACTOR.extract(text), text)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=3000))
def test_passages_lie_in_order_inside_the_text(text: str) -> None:
    spans = list(sentences(text))
    for before, after in pairwise(spans):
        assert before.end <= after.start
    for span in spans:
        assert 0 < span.end - span.start <= LONGEST_SENTENCE
        assert span.of(text) == span.of(text).strip()
        assert all(span.start <= part.start < part.end <= span.end for part in clauses(text, span))
        assert all(text[word.start : word.end] == word.text for word in words(text, span))
    assert [span for window in windows(spans) for span in window] == spans


def test_sentences_do_not_end_at_abbreviations() -> None:
    text = "Dr. Smith came at 5 p.m. sharp. Then I left. And J. R. stayed!"
    found = [span.of(text) for span in sentences(text)]
    assert found == ["Dr. Smith came at 5 p.m. sharp.", "Then I left.", "And J. R. stayed!"]


def test_a_megabyte_is_read_whole_and_gives_a_bounded_result() -> None:
    page = "I went to the office and my boss praised the report. Dinner with Tom was lovely, we laughed a lot.\n"
    text = page * (1_000_000 // len(page)) + "At the very end I flew to Reykjavik. " * 30
    result = EXTRACTOR.extract(text)
    _assert_sound(result, text)
    assert len(result.insights) < 200
    assert "Reykjavik" in [insight.label for insight in _of(result, Kind.PLACE)]
    assert result.sentiment is not None
    assert result.sentiment > 0


def test_scores_do_not_depend_on_the_company_of_other_texts() -> None:
    texts = ["I am happy.", "", "I am not happy at all", "good " * 4000, "not", "sad"]
    loaded = model.load()
    together = loaded.scores(texts)
    for place, text in enumerate(texts):
        alone = loaded.scores([text])
        assert np.allclose(together.emotions[place], alone.emotions[0], atol=1e-5)
        assert np.allclose(together.feelings[place], alone.feelings[0], atol=1e-5)


def test_hashes_are_fixed_for_ever() -> None:
    """The weights are stored under these hashes: a change of one bit makes them worthless."""
    bags = features.bags(["Not happy!"])
    assert [f"{value:016x}" for value in bags.words.hashes] == WORD_HASHES
    assert f"{np.bitwise_xor.reduce(bags.characters.hashes):016x}" == CHARACTER_HASHES


def test_another_process_finds_the_same() -> None:
    text = "Anna and I had a great day in Berlin, but my boss ruined the evening. #summer"
    program = (
        "import sys; from insights_recovery.extractors.local import LocalExtractor as L;"
        "print(repr(L().extract(sys.argv[1])))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, text],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
            text=True,
            encoding="utf-8",
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert outputs == {repr(LocalExtractor().extract(text))}


def test_weights_are_loaded_once_lazily_and_shared() -> None:
    program = (
        "import json; from insights_recovery.extractors.local import LocalExtractor, model;"
        "before = model.load.cache_info().currsize;"
        "first, second = LocalExtractor(), LocalExtractor(); first.extract('I am happy'); second.extract('I am sad');"
        "info = model.load.cache_info();"
        "print(json.dumps([before, info.misses, type(model.load()._table).__name__]))"
    )
    output = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert json.loads(output.stdout) == [0, 1, "memmap"]


def test_the_version_names_the_weights() -> None:
    assert LocalExtractor.name == "local"
    assert LocalExtractor.version.endswith(model.version())
    assert len(LocalExtractor.version) <= 64


def test_the_weights_stay_small() -> None:
    assert sum(path.stat().st_size for path in model.WEIGHTS.iterdir()) < 20_000_000
