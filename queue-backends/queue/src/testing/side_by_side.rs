//! The model and a backend live through the same random operations, lost replies among them, on the same
//! clock, and are compared after every step.

mod answer;
mod case;
mod look;
mod op;

use std::{future::Future, sync::Arc};

use proptest::{
    collection::vec,
    test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner},
};

use self::{case::Case, op::Step};
use super::{Bench, TestClock};

/// Runs `cases` random histories of up to 60 steps on the model and on what `fresh` opens with a clock, and
/// panics with the shortest history it finds on which they differ. The same each time, unless
/// `PROPTEST_RNG_SEED` says otherwise.
pub fn side_by_side<F: Future<Output = Bench>>(cases: u32, fresh: impl Fn(Arc<TestClock>) -> F) {
    let mut config =
        Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(0x5ce9);
    }
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&vec(op::step(), 1..60), |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(live(&fresh, &steps)).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, steps)) => {
            let steps: Vec<String> = steps.iter().map(|step| format!("  {step:?}")).collect();
            panic!("after these {} steps\n{}\n{why}", steps.len(), steps.join("\n"));
        }
        Err(aborted) => panic!("{aborted}"),
    }
}

async fn live<F: Future<Output = Bench>>(
    fresh: impl Fn(Arc<TestClock>) -> F,
    steps: &[Step],
) -> Result<(), String> {
    let clock = TestClock::new();
    let mut case = Case::new(fresh(Arc::clone(&clock)).await, clock).await?;
    for (at, step) in steps.iter().enumerate() {
        case.play(step).await.map_err(|why| format!("step {at}, {step:?}: {why}"))?;
    }
    case.look_closely().await
}
