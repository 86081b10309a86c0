//! The `foldlog` program: arguments in, an exit code out. Everything it does goes through the library's public API.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
