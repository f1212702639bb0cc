"""The emulator of EC2 with the instances of a file: put in from within, for asking for each of them
would take longer than what is measured. Serves on 127.0.0.1:PORT until its standard input ends.

    emulator.py INSTANCES ACCOUNT REGION PORT
"""

import datetime
import itertools
import json
import sys
import types

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.ec2.models.tags import TagBackend
from moto.ec2.responses.elastic_block_store import ElasticBlockStore
from moto.ec2.responses.instances import InstanceResponse
from moto.server import ThreadedMotoServer

MOST = 1000         # what EC2 gives in one page, asked for or not
all_tags, all_volumes = TagBackend.describe_tags, ElasticBlockStore.describe_volumes
some_instances = InstanceResponse.describe_instances


def describe_tags(self, filters=None):
    """The same answer. It looks at the tags of everything to find those of one, so that a listing
    would take minutes, by whomever."""
    if filters and list(filters) == ["resource-id"]:
        known = {id: self.tags[id] for id in filters["resource-id"] if id in self.tags}
        self = types.SimpleNamespace(tags=known, VALID_TAG_FILTERS=self.VALID_TAG_FILTERS)
    return all_tags(self, filters)


def describe_volumes(self):
    """In pages, as EC2 does."""
    volumes = all_volumes(self).result["Volumes"]
    first = int(self._get_param("NextToken", 0))
    end = first + min(int(self._get_param("MaxResults", MOST)), MOST)
    following = str(end) if end < len(volumes) else None
    return ActionResult({"Volumes": volumes[first:end], "NextToken": following})


def describe_instances(self):
    """In pages as large as those of EC2 also when nobody says how large."""
    if not self._get_param("InstanceIds", []):
        self.params.setdefault("MaxResults", MOST)
    return some_instances(self)


TagBackend.describe_tags = describe_tags
ElasticBlockStore.describe_volumes = describe_volumes
InstanceResponse.describe_instances = describe_instances

instances, account, region, port = sys.argv[1:]
ec2 = ec2_backends[account][region]
# The newest is the one that is meant, and the last of all that it would find.
ec2.get_instance = lambda id: next(
    instance for reservation in reversed(ec2.reservations.values())
    for instance in reservation.instances if instance.id == id)
# One has 4,091 addresses.
subnets = itertools.cycle(ec2.get_default_subnets().values())
for one in json.load(open(instances)):
    subnet = next(subnets)
    # One launch each, so that pages are as large as those of EC2.
    reservation = ec2.run_instances(
        image_id=one["image"], count=1, user_data=None, security_group_names=[],
        instance_type=one["type"], is_instance_type_default=True, region_name=region,
        subnet_id=subnet.id, tags={"instance": one["tags"], "volume": one["disk"]},
        security_group_ids=[], nics={},
    )
    instance = reservation.instances[0]
    for device, wanted in zip(("/dev/sdf", "/dev/sdg"), one["volumes"]):
        volume = ec2.create_volume(
            wanted["size"], subnet.availability_zone, encrypted=True, volume_type="gp3")
        volume.add_tags(wanted["tags"])
        ec2.attach_volume(volume.id, instance.id, device)
    if one["is_stopped"]:
        instance.stop()
    launched = datetime.datetime.fromisoformat(one["launched"].replace("Z", "+00:00"))
    instance.launch_time = launched
    # Custodian tells the age by the disk.
    for disk in instance.block_device_mapping.values():
        ec2.volumes[disk.volume_id].attachment.attach_time = launched
        disk.attach_time = launched
del ec2.get_instance
server = ThreadedMotoServer("127.0.0.1", int(port), verbose=False)
server.start()
print(f"127.0.0.1:{port}", flush=True)
sys.stdin.read()
