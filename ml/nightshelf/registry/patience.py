"""Gives up on a PostgreSQL that has stopped answering.

A server bounds its own statements, and the system notices a machine that is gone. A server that is
stopped, or a proxy that swallows everything, is noticed by neither: the driver would wait for ever.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import psycopg

SILENT_SECONDS = 90.0
"""Longer than the server lets a statement take."""
LOOK_SECONDS = 1.0
_asked: WeakKeyDictionary[psycopg.Connection, float] = WeakKeyDictionary()
"""When a connection's statement began, or it was first seen at work."""
_silent = threading.Event()


def gave_up() -> bool:
    return _silent.is_set()


@cache
def watch() -> None:
    """From now on every connection of SQLAlchemy's to PostgreSQL in this process is watched. What waits
    on one that is given up gets the driver's error."""
    from psycopg import Connection
    from sqlalchemy import Engine, event

    @event.listens_for(Engine, "connect")
    def made(connection, record) -> None:
        if isinstance(connection, Connection):
            _asked[connection] = time.monotonic()

    @event.listens_for(Engine, "before_cursor_execute")
    def asks(used, cursor, *statement) -> None:
        connection = used.connection.dbapi_connection
        if connection in _asked:
            _asked[connection] = time.monotonic()

    threading.Thread(target=_look, name="patience", daemon=True).start()


def _look() -> None:
    from psycopg.pq import TransactionStatus

    while True:
        time.sleep(LOOK_SECONDS)
        now = time.monotonic()
        for connection, since in list(_asked.items()):
            if (
                connection.closed
                or connection.pgconn.transaction_status != TransactionStatus.ACTIVE
            ):
                _asked[connection] = now
            elif now - since > SILENT_SECONDS:
                _silent.set()
                _hang_up(connection)


def _hang_up(connection: psycopg.Connection) -> None:
    """Whoever waits on it is woken; the connection stays for its owner to close."""
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
