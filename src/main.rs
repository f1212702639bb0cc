//! The program: everything is in [`metrom::cli`].

fn main() -> std::process::ExitCode {
    metrom::cli::main()
}
