"""How many connections one address, and all together, may keep waiting, and how much of a body each may leave here."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from lunasite.serving.connection import ClientConnection, ConnectionStage

MOST_OF_ONE_ADDRESS = 256
MOST = 2000
UNKNOWN_BYTES = 512 * 2**20  # of bodies that unknown senders of one address have under way
IN_A_THREAD = {ConnectionStage.READY, ConnectionStage.UNSURE}


class AddressShare:
    """Makes room for a new connection by ending the oldest that waits, of the same address first.

    So who holds many connections open loses the oldest of its own, and is answered on the newest.
    """

    def __init__(self, most_of_one_address: int = MOST_OF_ONE_ADDRESS, most: int = MOST) -> None:
        self._most_of_one_address = most_of_one_address
        self._most = most
        self._of: dict[str, dict[ClientConnection, None]] = {}
        self._count = 0

    def add(self, connection: ClientConnection) -> ClientConnection | None:
        """Count a new connection. Returns the one that has to go, or None."""
        own = self._of.setdefault(subscriber(connection.address), {})
        has_to_go = None
        if len(own) >= self._most_of_one_address:
            has_to_go = _longest_waiting(own)
        elif self._count >= self._most:
            has_to_go = _longest_waiting(max(self._of.values(), key=len)) or connection
        own[connection] = None
        self._count += 1
        return has_to_go

    def remove(self, connection: ClientConnection) -> None:
        """Forget a connection that has ended."""
        key = subscriber(connection.address)
        own = self._of.get(key, {})
        if connection in own:
            del own[connection]
            self._count -= 1
        if not own:
            self._of.pop(key, None)

    def over_budget(self) -> Iterator[ClientConnection]:
        """Yield, of each address that has sent too much of unknown origin, the one that waits longest."""
        for own in self._of.values():
            sending = {item: None for item in own if item.body_bytes and not item.is_known}
            one = _longest_waiting(sending)
            if one and sum(each.body_bytes for each in sending) > UNKNOWN_BYTES:
                yield one


def subscriber(address: str) -> str:
    """Return what stands for one client: an IPv4 address, or the /64 that an IPv6 client has to itself."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))


def _longest_waiting(connections: dict[ClientConnection, None]) -> ClientConnection | None:
    waiting = [connection for connection in connections if connection.stage not in IN_A_THREAD]
    return min(waiting, key=lambda one: one.pace.began, default=None)
