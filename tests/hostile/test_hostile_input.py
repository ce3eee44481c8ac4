"""Whatever comes in: it is stored as it was sent, or it waits with a reason, and the rest goes on.

`HOSTILE_MUTATIONS=100000 HOSTILE_SEED=7` sets the long form; a failure names kind, seed and number
of the mutation, and shows it.
"""

import os

import pytest

from tests.hostile import campaign
from tests.hostile.answers import OTTO_ANSWERS, WMS_ANSWERS
from tests.hostile.campaign import Bench, Kind
from tests.hostile.otto_lists import OTTO_LISTS
from tests.hostile.texts import TEXTS
from tests.hostile.wms_lists import WMS_LISTS

SEED = int(os.environ.get("HOSTILE_SEED", "7"))
MUTATIONS = int(os.environ.get("HOSTILE_MUTATIONS", "100000"))
SHORT = 200
KINDS: tuple[Kind, ...] = (*OTTO_LISTS, *WMS_LISTS, *OTTO_ANSWERS, *WMS_ANSWERS, *TEXTS)
# Orders are what is sold: a fifth of all mutations.
WEIGHTS = {"orders": 0.2}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_hostile_payload_is_stored_as_sent_or_waits_with_a_reason(
    kind: Kind, bench: Bench
) -> None:
    ended = campaign.run(kind, SHORT, SEED, bench)
    assert sum(ended.values()) == SHORT
    assert ended["accepted"] > 0 or "refusal" in kind.name


@pytest.mark.campaign
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_hundred_thousand_hostile_payloads_end_well(kind: Kind, bench: Bench) -> None:
    share = WEIGHTS.get(kind.name) or (1 - sum(WEIGHTS.values())) / (len(KINDS) - len(WEIGHTS))
    count = round(MUTATIONS * share)
    ended = campaign.run(kind, count, SEED, bench)
    print(f"hostile {kind.name}: {count} mutations, {dict(ended)}")  # noqa: T201
    assert sum(ended.values()) == count
