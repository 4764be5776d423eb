"""Hosts that start at once migrate one after the other (row F25)."""

import threading
import time

import pytest
from django.db import connection

from lunasite.serving.start_lock import one_at_a_time

HOSTS = 4


def busiest_moment():
    """Return how many of four hosts, started at once, were ever inside together."""
    inside, most = set(), []

    def start(number):
        with one_at_a_time():
            inside.add(number)
            most.append(len(inside))
            time.sleep(0.05)
            inside.discard(number)
        connection.close()

    hosts = [threading.Thread(target=start, args=(number,)) for number in range(HOSTS)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()
    assert len(most) == HOSTS
    return max(most)


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_hosts_that_start_at_once_take_turns(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    assert busiest_moment() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_hosts_that_share_a_database_take_turns(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    assert connection.vendor == "postgresql"
    assert busiest_moment() == 1
    assert not (tmp_path / "start.lock").exists()
