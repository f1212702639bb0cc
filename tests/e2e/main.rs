//! What needs more than this process. Real virtual machines run inside the test bed that
//! `tests/bed/sandbox` makes; a cloud's emulator needs no such thing.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "libvirt")]
mod bare;
#[cfg(feature = "libvirt")]
mod boot_sector;
#[cfg(all(feature = "aws", feature = "libvirt"))]
mod cloud;
#[cfg(feature = "libvirt")]
mod fleet;
#[cfg(any(feature = "aws", feature = "libvirt"))]
mod played;
#[cfg(feature = "libvirt")]
mod provider;
#[cfg(feature = "libvirt")]
mod story;
