//! Tells the linker that Node-API symbols are resolved when Node loads the library.

fn main() {
    napi_build::setup();
}
