//! Repositories, on real ones: made by `git`, served from a path, over smart HTTP and by `sshd`.

mod folder;
mod http;
mod local;
mod mirror;
mod origin;
mod refs;
mod ssh;
mod watch;
