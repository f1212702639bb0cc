//! What the program asks of the allocator, before anything else.

/// Keeps large buffers apart from everything small, so that they go back to the system when they are
/// dropped.
///
/// The C library of GNU begins so, and moves the limit up with the first large buffer that is dropped:
/// from then on pages of answers lie among what stays, and leave holes that nothing fits into. Elsewhere
/// there is nothing to be done.
pub fn keep_large_buffers_apart() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// `M_MMAP_THRESHOLD` of `malloc.h`.
        const LIMIT: i32 = -3;
        /// Where it begins, in bytes.
        const USUAL: i32 = 128 * 1024;
        unsafe extern "C" {
            safe fn mallopt(parameter: i32, value: i32) -> i32;
        }
        // It answers 0 when it refuses: then it is as it would have been.
        mallopt(LIMIT, USUAL);
    }
}
