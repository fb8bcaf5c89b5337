//! The `seaworthy` binary; everything is in the library's [`seaworthy::cli`].

fn main() -> std::process::ExitCode {
    seaworthy::cli::main()
}
