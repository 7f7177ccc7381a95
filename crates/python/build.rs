//! On macOS a module must be linked so that Python's symbols may be found when it is loaded.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
