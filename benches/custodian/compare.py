"""Runs Cloud Custodian and Metrom on the same account, one after the other, and compares what they
found and what it took them: with the inventory, and without it.

    compare.py FOLDER NOW PORT CUSTODIAN METROM

FOLDER has what `cloud declare` wrote, NOW is its instant. Exits with 1 when they did not find the same,
or when Metrom needs more than is promised.

Without the inventory means: Custodian runs once more, with what it fetched in its own cache; of
Metrom's run, what its inventory took is left out. Both begin anew and read all that is declared.
"""

import json
import os
import subprocess
import sys
import time

folder, now, port, custodian, metrom = sys.argv[1:]
policies = os.path.join(os.path.dirname(__file__), "policies.yml")
kept = os.path.join(folder, "custodian")
account = {
    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIDMETROMBENCH", "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
}
LEAST_RATIO, MOST_MEMORY = 20, 100
WORDS = ("stop", "start", "end")


def measured(*command):
    """What the process and its children took, and what it said. Not what the emulator took."""
    began = time.monotonic()
    said = os.path.join(folder, "said")
    with open(said, "wb") as output:
        process = subprocess.Popen(command, env=os.environ | account, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed with {os.waitstatus_to_exitcode(status)}")
    return {
        "cpu": usage.ru_utime + usage.ru_stime, "time": time.monotonic() - began,
        "memory": usage.ru_maxrss / 1024, "said": open(said).read(),
    }


def run_custodian(cache):
    run = measured(
        custodian, "run", "--dryrun", "--metrics-enabled=", "--region=eu-central-1",
        f"--cache={cache}", f"--output-dir={kept}", policies)
    return run | {"found": {word: found(word) for word in WORDS}}


def found(policy):
    with open(os.path.join(kept, policy, "resources.json")) as resources:
        return len(json.load(resources))


def run_metrom():
    run = measured(metrom, "evaluate", folder, now)
    said = json.loads(run["said"])
    return run | {"found": {word: said["found"].get(word, 0) for word in WORDS},
                  "inventory": said["inventory"]}


def row(name, run):
    words = ", ".join(f"{word} {run['found'][word]}" for word in WORDS)
    print(f"{name:36}{run['cpu']:8.2f} s{run['time']:8.1f} s{run['memory']:8.0f} MiB  {words}")


def ratio(name, theirs, ours):
    ratio = theirs["cpu"] / ours["cpu"]
    print(f"{name:36}{ratio:8.1f}×\n")
    return ratio


# What all three policies need is fetched once, and not even written down.
theirs_whole = run_custodian("memory")
ours_whole = run_metrom()
cache = os.path.join(folder, "cache")
run_custodian(cache)
theirs = run_custodian(cache)
again = run_metrom()
ours = again | {"cpu": again["cpu"] - again["inventory"]}

print(f"{'':36}{'CPU':>10}{'time':>10}{'memory':>12}  found")
row("Cloud Custodian, with the inventory", theirs_whole)
row("Metrom, with the inventory", ours_whole)
ratio("ratio with the inventory", theirs_whole, ours_whole)
row("Cloud Custodian, evaluation alone", theirs)
row("Metrom, evaluation alone", ours)
of_evaluation = ratio("ratio of the evaluation", theirs, ours)
if not theirs_whole["found"] == theirs["found"] == ours_whole["found"] == ours["found"]:
    sys.exit("they did not find the same")
if of_evaluation < LEAST_RATIO or ours_whole["memory"] > MOST_MEMORY:
    sys.exit(f"promised: {LEAST_RATIO} times less of the processor, and {MOST_MEMORY} MiB")
