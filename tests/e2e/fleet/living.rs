//! How the environment lives on a machine in a network that nobody has a route to.

use crate::story::bed::{ENV, SERVICE};
use crate::story::http;
use crate::story::wait::{BOOT, CHANGE, SOON, seen, until};

use super::bed::{Bed, FILE};

const NOTE: &str = "written on a machine of our own\n";

pub fn its_page_and_its_container_are_reached_without_a_route(bed: &mut Bed) {
    let address = bed.told()["machine"]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(address.starts_with("10.177.0."), "{address}");
    assert!(
        http::get(&format!("{address}:80"), "/").is_err(),
        "there is a route"
    );
    let forward = bed.start(&["forward", ENV, "18080:80"]);
    let page = until("the page by way of the host", SOON, || {
        let answer = http::get("127.0.0.1:18080", "/")?;
        seen(answer.status == 200, format!("{answer:?}"))?;
        Ok(answer.body)
    });
    assert!(page.contains("Staff handbook"), "{page}");
    forward.kill();
    let write = "printf %s \"$1\" > /notes/entry; head -c 1000000 /dev/urandom > /notes/bytes";
    bed.in_container(&["sh", "-c", write, "sh", NOTE]);
    bed.keep_sums();
}

pub fn a_cable_that_is_pulled_loses_nothing(bed: &mut Bed) {
    let boot = bed.inside("cat /proc/sys/kernel/random/boot_id");
    bed.machines[0].cut();
    let plan = bed.metrom(&["plan", ENV]).text();
    assert!(plan.contains("idc-1"), "{plan}");
    for word in ["create", "delete", "install"] {
        assert!(
            !plan.contains(&format!(" {word} ")) || plan.contains("held"),
            "{plan}"
        );
    }
    assert_eq!(bed.domains(), format!("metrom-{ENV}"));
    bed.machines[0].mend();
    until("it is seen again", CHANGE, || {
        let plan = bed.metrom(&["plan", ENV]);
        seen(plan.code == 0, plan.text())
    });
    assert_eq!(bed.inside("cat /proc/sys/kernel/random/boot_id"), boot);
}

pub fn a_plug_that_is_pulled_the_daemon_and_the_machine_are_started_again_with_the_data(
    bed: &mut Bed,
) {
    bed.machines[0].power_off();
    bed.machines[0].power_on();
    // It has no systemd that would start it.
    let plan = bed.metrom(&["plan", ENV]).text();
    assert!(!plan.contains("create 1 GiB"), "{plan}");
    bed.metrom_within(BOOT, &["apply", ENV]);
    bed.metrom_within(BOOT, &["apply", ENV]).with_code(0);
    assert_eq!(bed.told()["status"], "healthy");
    assert_eq!(bed.sums(ENV), bed.sums_before_the_end());
    let container = format!("{ENV}-{SERVICE}-1");
    assert!(
        bed.inside("docker ps --format '{{.Names}}'")
            .contains(&container)
    );
}

pub fn an_environment_whose_file_is_deleted_goes_and_its_data_stays(bed: &mut Bed) {
    bed.repository.remove(FILE);
    bed.repository.push("it was good");
    bed.metrom_within(CHANGE, &["apply", ENV]).with_code(0);
    assert_eq!(bed.domains(), "");
    let kept = bed.machines[0].root("ls /var/lib/libvirt/metrom");
    assert!(kept.contains(".data.qcow2"), "{kept}");
    assert!(!kept.contains(".root.qcow2"), "{kept}");
}
