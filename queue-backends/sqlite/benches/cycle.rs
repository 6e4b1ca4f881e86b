//! Rates of the embedded queue.
fn main() {}
