//! Bytes behind a sum of them and of what else their row says: SQLite's checks see damage to the structure of
//! a file, not to what lies in it, and work that is not what was submitted must not run.

/// Puts the sum before the bytes.
pub(crate) fn seal(beside: &[&[u8]], bytes: Vec<u8>) -> Vec<u8> {
    let mut sealed = sum(beside, &bytes).to_vec();
    sealed.extend(bytes);
    sealed
}

/// The bytes behind the sum, when it is right.
pub(crate) fn unseal<'a>(beside: &[&[u8]], sealed: &'a [u8]) -> Option<&'a [u8]> {
    sealed.split_at_checked(8).filter(|(given, bytes)| *given == sum(beside, bytes)).map(|(_, bytes)| bytes)
}

/// FNV-1a: any one byte that differs gives another sum.
fn sum(beside: &[&[u8]], bytes: &[u8]) -> [u8; 8] {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let all = beside.iter().copied().chain([bytes]).flatten();
    all.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(PRIME))
        .to_be_bytes()
}
