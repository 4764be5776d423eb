"""An image's USER, resolved by account files that are data."""

import pytest

from submissions.runner.identity import IN_PLACE_OF_ROOT, MAPPED_ROOT, Identity, identity_of

PASSWD = """root:x:0:0:root:/root:/bin/bash
user:x:1000:1001:,,,:/home/user:/bin/bash
evil:x:0:0::/:/bin/sh
far:x:4294967296:1::/:/bin/sh
odd:x:12
relative:x:1002:1002::home:/bin/sh
"""
GROUP = "root:x:0:\nuser:x:1001:\nteam:x:2000:user,other\nvideo:x:44:user\nbad:x:minus:user\n"


def theirs(user, groups=(), home="/home/user"):
    return Identity(user, groups, home, owns_as_root=False)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("user", theirs("1000:1001", (44, 2000))),
        ("1000", theirs("1000:1001", (44, 2000))),
        ("user:team", theirs("1000:2000")),
        ("1000:77", theirs("1000:77")),
        ("4242", theirs("4242:0", home="/")),
        ("4242:5", theirs("4242:5", home="/")),
        ("relative", theirs("1002:1002", home="/")),
        *((root, IN_PLACE_OF_ROOT) for root in ("", "root", "0", "0:0", "root:team", "evil", "00")),
        *(
            (nobody, IN_PLACE_OF_ROOT)
            for nobody in ("far", "odd", "not-there", "user:nothing", "-1", "2147483648", "٣")
        ),
    ],
)
def test_whom_an_image_runs_as(user, expected):
    assert identity_of(user, PASSWD, GROUP) == expected


@pytest.mark.parametrize("user", ["", "root", "0", "evil"])
def test_root_is_root_only_where_the_engine_maps_it(user):
    assert identity_of(user, PASSWD, GROUP, may_be_root=True) == MAPPED_ROOT


def test_a_name_that_is_not_there_is_never_root():
    assert identity_of("not-there", PASSWD, GROUP, may_be_root=True) == IN_PLACE_OF_ROOT


def test_no_account_files():
    assert identity_of("user", "", "") == IN_PLACE_OF_ROOT
    assert identity_of("1000", "", "") == theirs("1000:0", home="/")
