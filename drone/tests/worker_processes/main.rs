//! Workers with real children. Nothing here sleeps to be right: each wait is for a condition, with a bound.
//! (Each module says `cfg(test)` for clippy, which lets tests unwrap and print only below that.)

#[cfg(test)]
mod containment;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod exec;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod process;
#[cfg(test)]
mod stops;
