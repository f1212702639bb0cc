//! How the environment goes from the cloud, comes back, and is gone.

use crate::story::bed::ENV;
use crate::story::wait::{BOOT, seen};

use super::bed::{Bed, FILE};
use super::guests::disks;
use super::living::until_served;

pub fn an_environment_whose_file_is_deleted_ends_its_instance_and_its_volume_stays(bed: &mut Bed) {
    bed.kept = bed.sums(ENV);
    bed.repository.remove(FILE);
    bed.repository.push("not needed for now");
    until_served(bed, "the instance has ended", |bed| {
        let instances = bed.instances();
        seen(instances.is_empty(), format!("{instances:?}"))
    });
    until_served(bed, "what is kept is shown", |bed| {
        let environment = bed.environment()?;
        seen(environment["status"] == "kept", environment)
    });
    assert_eq!(bed.guests.process(&bed.instance), None);
    let volumes = bed.volumes();
    assert_eq!(volumes.len(), 1, "{volumes:?}");
    assert_eq!(volumes[0].text_at("volumeId"), bed.volume);
    assert_eq!(volumes[0].text_at("status"), "available");
    assert_eq!(disks(), [format!("{}.qcow2", bed.volume)]);
    bed.require_untouched();
}

pub fn declared_again_it_has_the_same_data_on_another_instance(bed: &mut Bed) {
    let file = bed.repository.before_last(FILE);
    bed.repository.write(FILE, &file);
    let revision = bed.repository.push("needed again");
    bed.until_served_within(BOOT, "it is back", |bed| bed.is_healthy_at(&revision));
    let (instance, volume) = (bed.instance.clone(), bed.volume.clone());
    bed.note();
    assert_eq!(bed.volume, volume);
    assert_ne!(bed.instance, instance);
    assert_eq!(bed.sums(ENV), bed.kept);
}

pub fn by_the_policy_to_delete_nothing_is_left_but_what_is_not_ours(bed: &mut Bed) {
    bed.repository
        .replace("metrom.yaml", "retain: 30d", "retain: nothing");
    bed.repository.remove(FILE);
    bed.repository.push("data goes with its environment");
    until_served(bed, "the volume is gone", |bed| {
        let left = (bed.instances(), bed.volumes());
        seen(left == (Vec::new(), Vec::new()), format!("{left:?}"))
    });
    bed.stop_serve().with_code(0);
    assert_eq!(disks(), Vec::<String>::new());
    bed.metrom(&["plan", "-o", "json"]).with_code(0);
    bed.require_untouched();
}
