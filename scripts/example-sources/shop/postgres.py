"""The few calls of PostgreSQL's own client library that the shop needs; no package to install."""

import ctypes
import ctypes.util
import threading

_pq = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
for _name in ("PQconnectdb", "PQexecParams"):
    getattr(_pq, _name).restype = ctypes.c_void_p
for _name in ("PQerrorMessage", "PQresultErrorMessage", "PQgetvalue"):
    getattr(_pq, _name).restype = ctypes.c_char_p
_COMMAND_OK, _TUPLES_OK = 1, 2


class Error(Exception):
    """What the database answered instead of a result."""


class Database:
    """One connection, as PGHOST, PGUSER, PGPASSWORD and PGDATABASE say; made anew when it was lost."""

    def __init__(self):
        self._lock = threading.Lock()
        self._connection = None

    def query(self, sql, *values):
        """The rows of a statement, as lists of text; `$1` and so on stand for the values."""
        with self._lock:
            try:
                return self._query(sql, values)
            except Error:
                self._close()
                raise

    def _query(self, sql, values):
        connection = self._open()
        texts = (ctypes.c_char_p * len(values))(*(str(v).encode() for v in values))
        result = ctypes.c_void_p(
            _pq.PQexecParams(connection, sql.encode(), len(values), None, texts, None, None, 0)
        )
        try:
            if _pq.PQresultStatus(result) not in (_COMMAND_OK, _TUPLES_OK):
                raise Error(_pq.PQresultErrorMessage(result).decode().strip())
            columns = range(_pq.PQnfields(result))
            return [
                [_pq.PQgetvalue(result, row, column).decode() for column in columns]
                for row in range(_pq.PQntuples(result))
            ]
        finally:
            _pq.PQclear(result)

    def _open(self):
        if self._connection is None:
            self._connection = ctypes.c_void_p(_pq.PQconnectdb(b"connect_timeout=5"))
        if _pq.PQstatus(self._connection) != 0:
            raise Error(_pq.PQerrorMessage(self._connection).decode().strip())
        return self._connection

    def _close(self):
        if self._connection is not None:
            _pq.PQfinish(self._connection)
            self._connection = None
