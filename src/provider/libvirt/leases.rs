//! The DHCP leases of a network, all in one call.
//!
//! The `virt` crate has no binding for it, and its per-machine look-up leaks; so this is the one
//! place that speaks to libvirt's C interface directly.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::net::IpAddr;
use std::ptr;

use virt::error::Error;
use virt::network::Network;
use virt::sys;

/// The newest address of each hardware address (in lower case) of the network.
pub fn addresses(network: &Network) -> Result<BTreeMap<String, IpAddr>, Error> {
    let mut leases = read(network)?;
    // A machine that was rebuilt may have an older lease beside the one it uses now.
    leases.sort_by_key(|(expiry, ..)| *expiry);
    Ok(leases.into_iter().map(|(_, mac, ip)| (mac, ip)).collect())
}

fn read(network: &Network) -> Result<Vec<(i64, String, IpAddr)>, Error> {
    let mut list: *mut sys::virNetworkDHCPLeasePtr = ptr::null_mut();
    // SAFETY: the network is valid as long as the borrow; a null `mac` asks for all; `list` is
    // written by the call and is ours to free.
    let count =
        unsafe { sys::virNetworkGetDHCPLeases(network.as_ptr(), ptr::null(), &raw mut list, 0) };
    let Ok(count) = usize::try_from(count) else {
        return Err(Error::last_error());
    };
    let mut leases = Vec::with_capacity(count);
    for i in 0..count {
        // SAFETY: the call returned `count` valid leases, each of which is freed once, after use.
        unsafe {
            let lease = *list.add(i);
            let (mac, address) = (text((*lease).mac), text((*lease).ipaddr));
            if let Ok(address) = address.parse() {
                leases.push(((*lease).expirytime, mac.to_ascii_lowercase(), address));
            }
            sys::virNetworkDHCPLeaseFree(lease);
        }
    }
    // SAFETY: allocated by libvirt with `malloc` for us; its elements are freed above.
    unsafe { free(list.cast()) };
    Ok(leases)
}

/// # Safety
/// The pointer is null or a C string that lives until the text is copied.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_string_lossy().into_owned()
}

unsafe extern "C" {
    /// The C library's own, which every program on Linux is linked with.
    fn free(pointer: *mut std::ffi::c_void);
}
