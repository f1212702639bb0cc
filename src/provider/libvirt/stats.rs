//! What libvirt counts of all running machines, in one call: the only `unsafe` code of the providers.
//!
//! The crate has that call but no way to read or to free what comes back.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::raw::c_char;
use std::ptr;

use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

use super::fault::Fault;

/// The numbers of one machine, by libvirt's own names: `cpu.time`, `block.0.rd.bytes`.
pub type Numbers = BTreeMap<String, u64>;

/// A machine that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub uuid: String,
    /// Another one each time that it is started.
    pub id: u32,
    pub numbers: Numbers,
}

const KINDS: u32 = sys::VIR_DOMAIN_STATS_CPU_TOTAL
    | sys::VIR_DOMAIN_STATS_BALLOON
    | sys::VIR_DOMAIN_STATS_INTERFACE
    | sys::VIR_DOMAIN_STATS_BLOCK;

/// One that is busy is not waited for: it tells what can be told at once.
const FLAGS: u32 =
    sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING | sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;

/// What libvirt has given away, to be freed by us.
struct List {
    records: *mut sys::virDomainStatsRecordPtr,
    count: usize,
}

impl Drop for List {
    fn drop(&mut self) {
        if !self.records.is_null() {
            // SAFETY: it came from `virConnectGetAllDomainStats` and is freed once.
            unsafe { sys::virDomainStatsRecordListFree(self.records) }
        }
    }
}

/// All machines that run, ours or not.
pub fn of_running(conn: &Connect) -> Result<Vec<Running>, Fault> {
    let mut records = ptr::null_mut();
    // SAFETY: the connection lives longer than this call, and `records` is a place for its answer.
    let count =
        unsafe { sys::virConnectGetAllDomainStats(conn.as_ptr(), KINDS, &raw mut records, FLAGS) };
    let Ok(count) = usize::try_from(count) else {
        return Err(Error::last_error().into());
    };
    let list = List { records, count };
    // SAFETY: libvirt has filled in so many records, which live as long as the list.
    let running = (0..list.count).filter_map(|at| unsafe { one(&**list.records.add(at)) });
    Ok(running.collect())
}

/// SAFETY: the record is one of a list that has not been freed.
unsafe fn one(record: &sys::_virDomainStatsRecord) -> Option<Running> {
    let mut uuid: [c_char; sys::VIR_UUID_STRING_BUFLEN as usize] = [0; _];
    // SAFETY: the buffer is as long as libvirt wants it, and ends with a zero afterwards.
    let (uuid, id) = unsafe {
        if sys::virDomainGetUUIDString(record.dom, uuid.as_mut_ptr()) != 0 {
            return None;
        }
        let uuid = CStr::from_ptr(uuid.as_ptr());
        (
            uuid.to_string_lossy().into_owned(),
            sys::virDomainGetID(record.dom),
        )
    };
    let count = usize::try_from(record.nparams).unwrap_or(0);
    // SAFETY: there are so many parameters, each with a name that ends with a zero.
    let numbers = (0..count).filter_map(|at| unsafe { number(&*record.params.add(at)) });
    Some(Running {
        uuid,
        id,
        numbers: numbers.collect(),
    })
}

/// SAFETY: the parameter was filled in by libvirt.
unsafe fn number(param: &sys::_virTypedParameter) -> Option<(String, u64)> {
    // SAFETY: the kind says which of the values is there.
    let (name, value) = unsafe {
        let value = match u32::try_from(param.type_).ok()? {
            sys::VIR_TYPED_PARAM_UINT => u64::from(param.value.ui),
            sys::VIR_TYPED_PARAM_ULLONG => param.value.ul,
            sys::VIR_TYPED_PARAM_INT => u64::try_from(param.value.i).ok()?,
            sys::VIR_TYPED_PARAM_LLONG => u64::try_from(param.value.l).ok()?,
            _ => return None,
        };
        (CStr::from_ptr(param.field.as_ptr()), value)
    };
    Some((name.to_string_lossy().into_owned(), value))
}
