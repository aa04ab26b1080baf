//! Arguments to one command. Nothing else.

fn main() -> std::process::ExitCode {
    // Before any client exists: with more than one TLS library in the tree rustls would not choose by itself.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    flyball::cli::main()
}
