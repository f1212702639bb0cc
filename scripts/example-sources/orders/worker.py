"""Takes orders from a Redis list and counts what was ordered; makes orders of its own to have some.

`--check` says by its exit status whether work was done lately: that is the healthcheck.
"""

import argparse
import os
import random
import socket
import sys
import threading
import time

HOST = os.environ.get("REDIS_HOST", "redis")
LATELY = 60  # seconds; a machine that emulates its processor takes its time


class Redis:
    """One connection, and as much of the protocol as this program speaks."""

    def __init__(self):
        self._socket = socket.create_connection((HOST, 6379), timeout=30)
        self._file = self._socket.makefile("rwb")

    def __call__(self, *words):
        parts = [str(word).encode() for word in words]
        self._file.write(b"*%d\r\n" % len(parts))
        for part in parts:
            self._file.write(b"$%d\r\n%s\r\n" % (len(part), part))
        self._file.flush()
        return self._answer()

    def _answer(self):
        line = self._file.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$" and rest != b"-1":
            return self._file.read(int(rest) + 2)[:-2].decode()
        if kind == b"*" and rest != b"-1":
            return [self._answer() for _ in range(int(rest))]
        return int(rest) if kind == b":" else None if rest == b"-1" else rest.decode()


def take_orders():
    redis = Redis()
    while True:
        order = redis("BRPOP", "orders", 10)
        if order:
            redis("HINCRBY", "ordered", order[1], 1)
            redis("SET", "last", int(time.time()))


def make_orders():
    redis = Redis()
    while True:
        redis("LPUSH", "orders", random.choice(["tea", "coffee", "cake"]))
        time.sleep(5)


def is_healthy():
    return time.time() - int(Redis()("GET", "last") or 0) < LATELY


def stop_when_it_fails(work):
    """Docker starts the program again; a worker with half of its threads would only look alive."""
    try:
        work()
    except Exception as error:
        print(f"stopping: {error}", file=sys.stderr, flush=True)
        os._exit(1)


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--check", action="store_true")
    chosen = options.parse_args()
    if chosen.check:
        sys.exit(0 if is_healthy() else 1)
    print(f"{chosen.threads} threads are waiting for orders", flush=True)
    for work in [make_orders] + [take_orders] * chosen.threads:
        threading.Thread(target=stop_when_it_fails, args=(work,)).start()
