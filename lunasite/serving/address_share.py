"""Limits of waiting connections, per address and in total, and of unread body bytes per address."""

from __future__ import annotations

from collections.abc import Iterator

from lunasite.http.client_address import subscriber
from lunasite.serving.connection import ClientConnection, ConnectionStage

MAX_PER_ADDRESS = 256
MAX_CONNECTIONS = 2000
UNKNOWN_BYTES = 512 * 2**20  # of unfinished bodies from unknown senders of one address
IN_A_THREAD = {ConnectionStage.READY, ConnectionStage.UNSURE, ConnectionStage.RESUMING}


class AddressShare:
    """Make room for a new connection by ending the oldest waiting one, first among those of the same address.

    So a client that holds many connections open loses its own oldest ones, and is answered on its newest.
    """

    def __init__(self, max_per_address: int = MAX_PER_ADDRESS, most: int = MAX_CONNECTIONS) -> None:
        self._max_per_address = max_per_address
        self._most = most
        self._of: dict[str, dict[ClientConnection, None]] = {}
        self._count = 0

    def add(self, connection: ClientConnection) -> ClientConnection | None:
        """Count a new connection; return the connection that must be ended for it, or None."""
        own = self._of.setdefault(subscriber(connection.address), {})
        has_to_go = None
        if len(own) >= self._max_per_address:
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
        """Yield the longest-waiting connection of each address whose unknown senders have sent too many bytes."""
        for own in self._of.values():
            sending = {item: None for item in own if item.body_bytes and not item.is_known}
            longest = _longest_waiting(sending)
            if longest and sum(each.body_bytes for each in sending) > UNKNOWN_BYTES:
                yield longest


def _longest_waiting(connections: dict[ClientConnection, None]) -> ClientConnection | None:
    waiting = [connection for connection in connections if connection.stage not in IN_A_THREAD]
    return min(waiting, key=lambda connection: connection.pace.began, default=None)
