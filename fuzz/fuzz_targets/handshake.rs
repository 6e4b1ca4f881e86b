//! What strangers and impostors say.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| skep_manager::fuzzing::handshake(bytes));
