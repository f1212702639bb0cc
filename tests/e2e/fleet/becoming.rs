//! From an address and a key to an environment that runs.

use serde_json::json;

use crate::story::bed::ENV;
use crate::story::wait::BOOT;

use super::bed::{Bed, FILE};

pub fn two_machines_are_scanned_committed_and_looked_at_by_the_doctor(bed: &mut Bed) {
    let mut keys = Vec::new();
    for machine in &bed.machines {
        let address = machine.address().to_string();
        let words = [
            "host",
            "scan",
            &address,
            "--user",
            "admin",
            "--name",
            machine.name(),
        ];
        let entry = bed.metrom(&words).with_code(0).text();
        assert!(entry.contains(machine.host_key()), "{entry}");
        // There is no KVM in this bed.
        let entry = format!("{entry}  accelerator: emulation\n");
        bed.repository
            .write(&format!("hosts/{}.yaml", machine.name()), &entry);
        let told = bed
            .metrom(&[&words[..], &["-o", "json"]].concat())
            .with_code(0)
            .json();
        keys.push(told["publicKey"].as_str().unwrap().to_owned());
    }
    bed.admit(&keys[0]);
    bed.repository.replace(
        FILE,
        "  template: journal\n",
        "  template: journal\n  placement: [idc-1, idc-2]\n",
    );
    bed.repository.push("two machines of our own");
    bed.metrom(&["check"]).with_code(0);
    for name in ["idc-1", "idc-2"] {
        let said = bed.metrom(&["host", "doctor", name]).with_code(0).text();
        assert!(said.contains("+ software"), "{said}");
    }
}

pub fn an_environment_makes_one_of_them_a_hypervisor_and_runs_on_it(bed: &mut Bed) {
    let plan = bed.metrom(&["plan", ENV]).with_code(2).text();
    for step in [
        "install packages libvirt-daemon-system",
        "start service libvirtd",
        "create pool metrom",
        "create network metrom",
        "provide debian-13",
        "placed on idc-1",
    ] {
        assert!(plan.contains(step), "{step}: {plan}");
    }
    let applied = bed.metrom_within(BOOT, &["apply", ENV, "-o", "json"]);
    assert_eq!(applied.with_code(0).json()[0]["result"], "settled");
    assert_eq!(bed.told()["status"], "healthy");
    assert_eq!(bed.domains(), format!("metrom-{ENV}"));
    let plan = bed.metrom(&["plan", ENV, "-o", "json"]).with_code(0).json();
    assert_eq!(plan[0]["plan"]["steps"], json!([]), "{plan}");
    // The other one is as bare as it was.
    assert!(bed.machines[1].try_root("type virsh").is_err());
}
