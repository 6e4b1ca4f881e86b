//! The examples are in `examples/`, as programs: see the README beside it. Each is run by a test in `tests/`.
#![forbid(unsafe_code)]
