"""Which fault strikes when: repeatable, fair, and as many as were asked for."""

from __future__ import annotations

import pytest

from insights_recovery.chaos.schedule import LONGEST_PAUSE, draw

FAULTS = [f"fault {number}" for number in range(7)]


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert draw(5, FAULTS, 40) == draw(5, FAULTS, 40)


def test_another_seed_gives_another_order_and_other_dice() -> None:
    one, other = draw(5, FAULTS, 40), draw(6, FAULTS, 40)
    assert [strike.fault for strike in one] != [strike.fault for strike in other]
    assert {strike.victim for strike in one}.isdisjoint(strike.victim for strike in other)


@pytest.mark.parametrize("seed", range(20))
def test_each_fault_has_its_turn_before_any_comes_again(seed: int) -> None:
    names = [strike.fault for strike in draw(seed, FAULTS, 4 * len(FAULTS))]
    rounds = [names[start : start + len(FAULTS)] for start in range(0, len(names), len(FAULTS))]
    assert [set(names) for names in rounds] == [set(FAULTS)] * 4
    assert len({tuple(names) for names in rounds}) > 1, "every round has an order of its own"


@pytest.mark.parametrize("count", [1, 6, 7, 8, 100])
def test_there_are_as_many_strikes_as_were_asked_for(count: int) -> None:
    strikes = draw(1, FAULTS, count)
    assert [strike.number for strike in strikes] == list(range(1, count + 1))


def test_the_dice_of_a_strike_stay_within_their_bounds() -> None:
    strikes = draw(1, FAULTS, 500)
    for share in [strike.victim for strike in strikes] + [strike.strength for strike in strikes]:
        assert 0 <= share <= 1
    assert all(0 <= strike.pause <= LONGEST_PAUSE for strike in strikes)
    assert max(strike.strength for strike in strikes) > 0.9
    assert min(strike.strength for strike in strikes) < 0.1


def test_where_no_fault_is_possible_none_strikes() -> None:
    assert draw(1, [], 20) == []
