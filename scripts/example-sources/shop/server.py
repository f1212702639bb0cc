"""The shop: a page of goods with a counter of visits, both from PostgreSQL."""

import html
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from postgres import Database, Error

GREETING = os.environ.get("GREETING", "Welcome")
DEBUG = os.environ.get("DEBUG") == "true"
GOODS = [("tea", 4), ("coffee", 6), ("cake", 3)]

database = Database()


def prepare():
    """Makes the tables; may be done any number of times."""
    database.query("CREATE TABLE IF NOT EXISTS goods (name text PRIMARY KEY, price integer NOT NULL)")
    database.query("CREATE TABLE IF NOT EXISTS visits (at timestamptz NOT NULL DEFAULT now())")
    for name, price in GOODS:
        database.query("INSERT INTO goods VALUES ($1, $2) ON CONFLICT DO NOTHING", name, price)


def page():
    database.query("INSERT INTO visits DEFAULT VALUES")
    [[visits]] = database.query("SELECT count(*) FROM visits")
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{price}</td></tr>"
        for name, price in database.query("SELECT name, price FROM goods ORDER BY name")
    )
    return (
        f"<!doctype html><title>Shop</title><h1>{html.escape(GREETING)}</h1>"
        f"<table>{rows}</table><p>Visit number {visits}</p>\n"
    )


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            if self.path == "/healthz":
                database.query("SELECT 1 FROM goods")
                self.answer(200, "text/plain", "healthy\n")
            elif self.path == "/":
                self.answer(200, "text/html; charset=utf-8", page())
            else:
                self.answer(404, "text/plain", "there is no such page\n")
        except Error as error:
            self.answer(503, "text/plain", f"{error}\n" if DEBUG else "the shop is closed for a moment\n")

    def answer(self, status, kind, body):
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, form, *values):
        if self.path != "/healthz":
            print(form % values)


if __name__ == "__main__":
    prepare()
    print("the shop is open on port 8080")
    ThreadingHTTPServer(("", 8080), Shop).serve_forever()
