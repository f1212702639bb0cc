//! Base images: AMIs that are there already, of which the declaration says which one is meant.

use aws_sdk_ec2::types::{ArchitectureValues, DeviceType, Image, ImageState};

use super::answer::look;
use super::fault::Fault;
use super::kind::Facts;
use super::link::{Link, filter};
use super::parameter;
use crate::model::{ImageOrigin, ImageSpec, RegisteredImage};

/// An AMI that machines can be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ami {
    pub id: String,
    /// The name of the device of its root disk.
    pub root: String,
    /// The size of its root disk, in GiB.
    pub size_gib: i32,
    pub architecture: String,
}

/// Finds the AMI that is meant.
///
/// # Errors
/// [`Fault::Refused`] when it is not there, not available, or has no EBS root disk.
pub async fn find(link: &Link, image: &ImageSpec) -> Result<Ami, Fault> {
    let registered = match &image.origin {
        ImageOrigin::Registered(registered) => registered,
        ImageOrigin::Url { .. } | ImageOrigin::Build(_) => return Err(not_brought(image)),
    };
    let asked = link.ec2.describe_images();
    let asked = match registered {
        RegisteredImage::Id(id) => asked.image_ids(id),
        RegisteredImage::Parameter(name) => asked.image_ids(parameter::ami(link, name).await?),
        RegisteredImage::Newest { owner, name } => asked
            .owners(owner)
            .filters(filter("name", [name]))
            .filters(filter("state", ["available"])),
    };
    let answer = asked.send().await.map_err(look)?;
    match newest(answer.images()) {
        Some(found) => usable(found),
        None => Err(Fault::Refused(format!(
            "there is no AMI {}; look at `images` of the cloud",
            said(registered)
        ))),
    }
}

/// An image of ours is not brought to AWS.
#[must_use]
pub fn not_brought(image: &ImageSpec) -> Fault {
    let name = &image.name;
    Fault::Refused(format!(
        "images are not brought to AWS; say in `images` of the cloud which AMI `{name}` is there"
    ))
}

fn said(image: &RegisteredImage) -> String {
    match image {
        RegisteredImage::Id(id) => id.clone(),
        RegisteredImage::Parameter(name) => format!("that the parameter `{name}` names"),
        RegisteredImage::Newest { owner, name } => format!("of {owner} called `{name}`"),
    }
}

/// By the day that it was made; of those of one day by id, so that the answer is always the same.
fn newest(images: &[Image]) -> Option<&Image> {
    images
        .iter()
        .max_by_key(|image| (image.creation_date(), image.image_id()))
}

fn usable(image: &Image) -> Result<Ami, Fault> {
    let id = image.image_id().unwrap_or_default();
    let refused = |why: &str| Fault::Refused(format!("the AMI {id} {why}; choose another"));
    if image.state() != Some(&ImageState::Available) {
        let state = image.state().map_or("unknown", ImageState::as_str);
        return Err(refused(&format!("is not available, but {state}")));
    }
    let root = image.root_device_name().unwrap_or_default();
    let mappings = image.block_device_mappings().iter();
    let mut disks = mappings.filter(|mapping| mapping.device_name() == Some(root));
    let disk = disks.find_map(|mapping| mapping.ebs());
    match disk {
        Some(disk) if image.root_device_type() != Some(&DeviceType::InstanceStore) => Ok(Ami {
            id: id.to_owned(),
            root: root.to_owned(),
            size_gib: disk.volume_size().unwrap_or_default(),
            architecture: image
                .architecture()
                .map_or("", ArchitectureValues::as_str)
                .to_owned(),
        }),
        Some(_) | None => Err(refused("has no root disk on EBS")),
    }
}

impl Ami {
    /// Makes sure that a machine of that type and disk can be made of it.
    ///
    /// # Errors
    /// [`Fault::Refused`] with what to change.
    pub fn require_fit(&self, kind: &str, facts: &Facts, disk_gib: i32) -> Result<(), Fault> {
        let Self {
            id,
            root: _,
            size_gib,
            architecture,
        } = self;
        let runs = |known: &aws_sdk_ec2::types::ArchitectureType| known.as_str() == architecture;
        if !facts.architectures.iter().any(runs) {
            return Err(Fault::Refused(format!(
                "the AMI {id} is made for {architecture}, and `{kind}` is not; change `images` or \
                 `types` of the cloud"
            )));
        }
        if disk_gib < *size_gib {
            return Err(Fault::Refused(format!(
                "a disk of {disk_gib} GiB is smaller than the {size_gib} GiB of the AMI {id}; make \
                 `disk` larger"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::{ArchitectureType, BlockDeviceMapping, EbsBlockDevice};

    fn image(id: &str, day: &str) -> Image {
        let disk = EbsBlockDevice::builder().volume_size(8).build();
        let root = BlockDeviceMapping::builder().device_name("/dev/xvda");
        Image::builder()
            .image_id(id)
            .creation_date(format!("{day}T00:00:00.000Z"))
            .state(ImageState::Available)
            .architecture(ArchitectureValues::X8664)
            .root_device_name("/dev/xvda")
            .block_device_mappings(root.ebs(disk).build())
            .build()
    }

    #[test]
    fn the_newest_is_meant() {
        let images = [image("ami-1", "2025-01-01"), image("ami-2", "2025-02-01")];
        assert_eq!(newest(&images).unwrap().image_id(), Some("ami-2"));
    }

    #[test]
    fn an_image_must_fit_the_type_and_the_disk() {
        let ami = usable(&image("ami-1", "2025-01-01")).unwrap();
        let facts = |architecture| Facts {
            cpus: 2,
            memory_mib: 2048,
            shows_volumes: true,
            architectures: vec![architecture],
        };
        let fit = |architecture, disk| ami.require_fit("t3.small", &facts(architecture), disk);
        assert!(fit(ArchitectureType::X8664, 8).is_ok());
        let other = fit(ArchitectureType::Arm64, 8).unwrap_err().words();
        assert!(other.contains("made for x86_64"), "{other}");
        let small = fit(ArchitectureType::X8664, 7).unwrap_err().words();
        assert!(small.contains("make `disk` larger"), "{small}");
    }
}
