"""One address holds a bounded share of connections."""

from types import SimpleNamespace

import pytest

from lunasite.serving import address_share
from lunasite.serving.address_share import AddressShare
from lunasite.serving.connection import ConnectionStage


class One(SimpleNamespace):
    """What the share looks at in a connection."""

    __hash__ = object.__hash__

    def __init__(self, address="192.0.2.1", began=0.0, stage=ConnectionStage.WAITING, **facts):
        facts = {"body_bytes": 0, "is_known": False, **facts}
        super().__init__(address=address, pace=SimpleNamespace(began=began), stage=stage, **facts)


def test_room_is_made_by_the_one_that_waits_longest():
    share = AddressShare(max_per_address=2)
    ones = [One(began=2.0), One(began=1.0), One(began=3.0)]
    assert [share.add(item) for item in ones] == [None, None, ones[1]]


def test_a_connection_that_is_answered_stays():
    share = AddressShare(max_per_address=2)
    ones = [One(began=1.0, stage=ConnectionStage.READY), One(began=2.0), One()]
    assert [share.add(item) for item in ones] == [None, None, ones[1]]


def test_another_address_has_its_own_share():
    share = AddressShare(max_per_address=1)
    assert share.add(One()) is None
    assert share.add(One("192.0.2.2")) is None


def test_when_all_is_full_the_address_that_holds_most_gives_way():
    share = AddressShare(most=3)
    ones = [One(), One(), One("192.0.2.2")]
    for item in ones:
        share.add(item)
    assert share.add(One("192.0.2.3")) in ones[:2]


def test_when_every_connection_is_answered_the_new_one_goes():
    share = AddressShare(most=1)
    share.add(One(stage=ConnectionStage.READY))
    new = One()
    assert share.add(new) is new


def test_who_has_gone_counts_no_more():
    share = AddressShare(max_per_address=1)
    one = One()
    share.add(one)
    share.remove(one)
    share.remove(one)
    assert share.add(One()) is None


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("2001:db8:1:2:3::4", "2001:db8:1:2::1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),  # IPv4 as a socket of both kinds names it
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "", True),
    ],
)
def test_connections_share_what_one_subscriber_may_have(first, second, is_one):
    share = AddressShare(max_per_address=1)
    share.add(One(first))
    assert (share.add(One(second)) is not None) == is_one


def test_too_many_bytes_from_the_unknown_end_the_oldest(monkeypatch):
    monkeypatch.setattr(address_share, "UNKNOWN_BYTES", 100)
    share = AddressShare()
    known, old, new = One(body_bytes=500, is_known=True), One(began=1.0, body_bytes=60), One(began=2.0, body_bytes=30)
    for item in (known, old, new):
        share.add(item)
    assert list(share.over_budget()) == []
    new.body_bytes = 60
    assert list(share.over_budget()) == [old]
