# python:3.11 as the ordinary image has it, as far as our programs need: `python` and `python3`,
# curl, and libpq (which the ordinary image brings with its build tools).
packages="python3 libpq5 curl"
config='"Cmd": ["python3"]'
environment='"LANG=C.UTF-8", "PYTHONUNBUFFERED=1"'

finish() { ln -sf python3 "$tree/usr/bin/python"; }
