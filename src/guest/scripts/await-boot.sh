# await-boot: waits for cloud-init's result and prints it; nothing when cloud-init is switched off.
result=/run/cloud-init/result.json
until [ -s $result ] || [ -e /run/cloud-init/disabled ] || [ ! -d /run/cloud-init ]; do sleep 0.5; done
cat $result 2>/dev/null
exit 0
