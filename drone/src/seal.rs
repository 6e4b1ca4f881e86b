//! Bytes behind a sum of them and of what else their row says: SQLite's checks see damage to the structure of
//! a file, not to what lies in it, and work that is not what was submitted must not run.

/// Puts the sum before the bytes.
pub(crate) fn seal(beside: &[&[u8]], bytes: Vec<u8>) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(8 + bytes.len());
    sealed.extend(sum(beside, &bytes));
    sealed.extend(bytes);
    sealed
}

/// The bytes behind the sum, when it is right.
pub(crate) fn unseal<'a>(beside: &[&[u8]], sealed: &'a [u8]) -> Option<&'a [u8]> {
    sealed.split_at_checked(8).filter(|(given, bytes)| *given == sum(beside, bytes)).map(|(_, bytes)| bytes)
}

/// In the manner of FNV-1a, eight bytes at a time: each step maps sums one to one, so that any one word that
/// differs gives another sum, and folds the upper half into the lower, which a product leaves out.
fn sum(beside: &[&[u8]], bytes: &[u8]) -> [u8; 8] {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |sum: u64, word: u64| {
        let sum = (sum ^ word).wrapping_mul(PRIME);
        sum ^ sum >> 32
    };
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for part in beside.iter().copied().chain([bytes]) {
        let words = part.chunks_exact(8);
        let rest = words.remainder();
        sum =
            words.fold(sum, |sum, word| step(sum, word.iter().fold(0, |word, b| word << 8 | u64::from(*b))));
        // With its length, so that nothing moves from one part to the next unseen.
        sum = step(sum, rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        sum = step(sum, part.len() as u64);
    }
    sum.to_be_bytes()
}
