"""Runs Cloud Custodian and Metrom on the same account, one after the other, and compares what they
found and what it took them.

    compare.py FOLDER NOW PORT CUSTODIAN METROM

FOLDER has what `cloud declare` wrote, NOW is its instant. Exits with 1 when they did not find the same,
or when Metrom needs more than is promised. All is time of the processor, of the program alone:

with the inventory   the whole run, from its start to its end.
without it           the whole run, but for the inventory: with the start, and with reading what is
                     declared. Custodian runs with what it fetched in its own cache; of Metrom's run,
                     what its inventory took is left out.
the evaluation       what office hours and lifetimes mean for each instance, without the start of the
                     program. Of Custodian's run with its cache, what a run takes is left out that finds
                     an empty region in it: what remains is reading the cache, its filters, and writing
                     what they found. Metrom tells what it took from the end of the inventory until
                     everything is planned; what is declared, office hours too, was read before.
its filters          the same, but that Custodian's reading of the cache is left out as well: of the
                     same run, what policies take that find nothing among all instances.
a second look        the evaluation once more by the same process, a minute later, as `metrom serve` does
                     it. Custodian has nothing like it.

Judged are the evaluation, and the memory of the whole run.
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
REGION, EMPTY_REGION = "eu-central-1", "eu-west-1"


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


def run_custodian(cache, region=REGION, policies=policies):
    run = measured(
        custodian, "run", "--dryrun", "--metrics-enabled=", f"--region={region}",
        f"--cache={cache}", f"--output-dir={kept}", policies)
    return run | {"found": {word: found(word) for word in WORDS}}


def policies_that_find_nothing():
    path = os.path.join(folder, "nothing.json")
    none = [{"type": "value", "key": "InstanceId", "value": "none"}]
    with open(path, "w") as output:
        named = [{"name": word, "resource": "ec2", "filters": none} for word in WORDS]
        json.dump({"policies": named}, output)
    return path


def found(policy):
    with open(os.path.join(kept, policy, "resources.json")) as resources:
        return len(json.load(resources))


def run_metrom(looks):
    run = measured(metrom, "evaluate", folder, now, str(looks))
    said = json.loads(run["said"])
    counts = [{word: one.get(word, 0) for word in WORDS} for one in said["found"]]
    if any(one != counts[0] for one in counts):
        sys.exit("a later look did not find the same")
    return run | {"found": counts[0], "looks": said["looks"]}


def row(name, run):
    rest = f"{run['time']:8.1f} s{run['memory']:8.0f} MiB" if "time" in run else " " * 22
    words = ", ".join(f"{word} {run['found'][word]}" for word in WORDS)
    print(f"{name:40}{run['cpu']:8.3f} s{rest}  {words}")


def ratio(name, theirs, ours):
    ratio = theirs["cpu"] / ours["cpu"]
    print(f"{name:40}{ratio:8.1f}×\n")
    return ratio


def part(run, cpu):
    return {"found": run["found"], "cpu": cpu}


# What all three policies need is fetched once, and not even written down.
theirs_whole = run_custodian("memory")
ours_whole = run_metrom(1)
cache, empty_cache = os.path.join(folder, "cache"), os.path.join(folder, "empty-cache")
run_custodian(empty_cache, EMPTY_REGION)
nothing = run_custodian(empty_cache, EMPTY_REGION)
if any(nothing["found"].values()):
    sys.exit(f"{EMPTY_REGION} is not empty")
run_custodian(cache)
theirs = run_custodian(cache)
unfiltered = run_custodian(cache, policies=policies_that_find_nothing())
ours_twice = run_metrom(2)
second = ours_twice["looks"][1]
ours = part(ours_whole, ours_whole["cpu"] - ours_whole["looks"][0]["inventory"])
their_evaluation = part(theirs, theirs["cpu"] - nothing["cpu"])
their_filters = part(theirs, theirs["cpu"] - unfiltered["cpu"])
our_evaluation = part(ours_whole, ours_whole["looks"][0]["after"])
our_second_look = part(ours_twice, second["before"] + second["after"])

print(f"{'':40}{'CPU':>10}{'time':>10}{'memory':>12}  found")
row("Cloud Custodian, with the inventory", theirs_whole)
row("Metrom, with the inventory", ours_whole)
ratio("ratio with the inventory", theirs_whole, ours_whole)
row("Cloud Custodian, without it", theirs)
row("Metrom, without it", ours)
ratio("ratio without it", theirs, ours)
row("Cloud Custodian, the evaluation", their_evaluation)
row("Metrom, the evaluation", our_evaluation)
of_evaluation = ratio("ratio of the evaluation", their_evaluation, our_evaluation)
row("Metrom, a second look", our_second_look)
ratio("ratio of the evaluation", their_evaluation, our_second_look)
row("Cloud Custodian, its filters", their_filters)
ratio("ratio to Metrom's evaluation", their_filters, our_evaluation)
if not theirs_whole["found"] == theirs["found"] == ours_whole["found"] == ours_twice["found"]:
    sys.exit("they did not find the same")
if of_evaluation < LEAST_RATIO or ours_whole["memory"] > MOST_MEMORY:
    sys.exit(f"promised: {LEAST_RATIO} times less of the processor, and {MOST_MEMORY} MiB")
