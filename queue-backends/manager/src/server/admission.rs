//! Who is let in.

pub mod bound;
