//! A stream of frames.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| skep_manager::fuzzing::frames(bytes));
