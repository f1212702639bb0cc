//! What needs real virtual machines; runs inside the test bed that `tests/bed/sandbox` makes.

#[cfg(feature = "libvirt")]
mod boot_sector;
#[cfg(feature = "libvirt")]
mod provider;
#[cfg(feature = "libvirt")]
mod story;
