//! Deliberate faults, to prove that the suite finds them. Without the feature `mutants` nothing of this is
//! left in the code but `false`.

use crate::pump::select_held;

/// What is broken on purpose.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mutant {
    None,
    NoClaimGuard,
    SettleById,
    AnswerWithoutCommit,
    CountOutside,
    FenceKept,
    KeyFreedAtClaim,
    KeyFreedAtRetry,
    NoOutageRule,
    MaskOffByOne,
    RoomByBlocks,
    RetryForgetsAttempt,
    FollowUpsOutside,
    RunAtIgnored,
    PumpAgainClaims,
    StaleAfterReclaim,
    ReleaseCounts,
    PriorityReversed,
    PhantomsHidden,
    RetentionIgnored,
    SweepTooEarly,
    HalfCall,
    CancelOnce,
    LateLoses,
    SettleForgotten,
    ClaimKeptAtRetry,
    DepthKeptAtDiscard,
    PausedIgnored,
    ResultsShifted,
    AdoptionIgnored,
    FenceResetAtRevival,
    BodyDroppedEarly,
    BeginningForgotten,
    LastSubmittedFirst,
    RevivalIgnoresKey,
    RevivalIgnoresCapacity,
    InterruptsUnlimited,
    LossesUnlimited,
    PostbackOfSettlesOnly,
    RetentionAsItWas,
    RescueTakesThePlace,
    SuspectKept,
    RescueBeforeAdoption,
    SameIdAnyType,
    IntakeBindsFollowUps,
    CancelLostAtRescue,
    FenceKeptAtSplit,
    DrainForgotten,
    SplitTakesAll,
    ConflictIgnoredInFollowUps,
    BeatsFromOne,
    NeverPromoted,
    PromotedFirst,
    RescueReleases,
    ClaimedAge,
}

/// Whether a fault is switched on.
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant::is($crate::mutant::Mutant::$name)
    };
}
pub(crate) use mutant;

pub(crate) const READY_OR_CLAIMED: &str =
    select_held!("p.state in (0, 2) and p.lane = ?1 order by p.priority, p.run_at, p.block");
pub(crate) const LAST_FIRST: &str =
    select_held!("p.state = 0 and p.lane = ?1 order by p.priority desc, p.run_at, p.block");
pub(crate) const NEWEST_FIRST: &str =
    select_held!("p.state = 0 and p.lane = ?1 order by p.priority, p.run_at, p.block desc");
pub(crate) const BEATS: &str = "select coalesce((select number from drones where incarnation = ?1), 0) + 1";
pub(crate) const SILENT: &str = "select incarnation from drones where beat_at + ttl <= ?1";
pub(crate) const FREE_KEYS: &str = "delete from unique_keys where block = ?1";

/// What others have committed, and not what this transaction did.
pub(crate) fn outside(db: &rusqlite::Connection) -> Result<rusqlite::Connection, crate::Error> {
    Ok(rusqlite::Connection::open(db.path().unwrap_or_default())?)
}

#[cfg(feature = "mutants")]
static ACTIVE: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Switches one on, for the whole process.
#[cfg(feature = "mutants")]
pub fn activate(mutant: Mutant) {
    ACTIVE.store(mutant as u8, std::sync::atomic::Ordering::SeqCst);
}

#[cfg(feature = "mutants")]
pub(crate) fn is(mutant: Mutant) -> bool {
    ACTIVE.load(std::sync::atomic::Ordering::Relaxed) == mutant as u8
}

#[cfg(not(feature = "mutants"))]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
