//! The program: everything is in [`metrom::cli`].

mod memory;

fn main() -> std::process::ExitCode {
    memory::keep_large_buffers_apart();
    metrom::cli::main()
}
