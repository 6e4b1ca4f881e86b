//! Concurrent submits share calls, and nothing else.

use futures_util::future::join_all;

use super::*;

/// Runs submits at once, all of them waiting before the first call returns.
async fn at_once(backend: &Arc<Told>, client: &Client, tasks: Vec<NewTask>) -> Vec<Result<Receipt>> {
    backend.close();
    let submits = tasks.into_iter().map(|task| client.submit(task));
    let (answers, ()) = tokio::join!(join_all(submits), async {
        tokio::task::yield_now().await;
        backend.open();
    });
    answers
}

#[tokio::test]
async fn a_thousand_submits_share_a_few_calls() {
    let backend = Told::new();
    let answers = at_once(&backend, &client(&backend), (0..1000).map(task).collect()).await;
    let ids: std::collections::HashSet<_> = answers.into_iter().map(|answer| answer.unwrap().id).collect();
    assert_eq!(ids.len(), 1000, "each has an id of its own");
    assert!(backend.calls() <= 3, "{} calls", backend.calls());
    assert_eq!(backend.queues().await.unwrap()[0].depth, 1000);
}

#[tokio::test]
async fn every_submitter_gets_the_id_of_its_own_payload() {
    let backend = Told::new();
    let answers = at_once(&backend, &client(&backend), (0..300).map(task).collect()).await;
    for (n, answer) in answers.into_iter().enumerate() {
        let kept = backend.task(answer.unwrap().id).await.unwrap().unwrap();
        assert_eq!(kept.payload, n.to_string());
    }
}

#[tokio::test]
async fn those_that_fit_are_taken_and_the_others_are_told() {
    let backend = Told::new();
    capacity(&backend, 150).await;
    let answers = at_once(&backend, &client(&backend), (0..400).map(task).collect()).await;
    let taken = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(taken, 150);
    assert!(
        answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .all(|error| matches!(error, Error::Rejected(no) if no.limit == 150))
    );
}

#[tokio::test]
async fn nobody_pays_for_a_bad_neighbour() {
    let backend = Told::new();
    backend.set("default".parse().unwrap(), None, Setting::MaxPayload(10)).await.unwrap();
    let bytes = |n: usize| NewTask::bytes("t".parse().unwrap(), vec![0; n]);
    let answers = at_once(&backend, &client(&backend), vec![bytes(1), bytes(100), bytes(2)]).await;
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(matches!(&answers[1], Err(Error::Rejected(no)) if no.reason == Reason::PayloadTooLarge));
    assert_eq!(backend.queues().await.unwrap()[0].depth, 2);
}

#[tokio::test]
async fn a_submitter_that_is_dropped_leaves_the_others_alone() {
    let backend = Told::new();
    let client = client(&backend);
    backend.close();
    {
        let mut first = Box::pin(client.submit(task(1)));
        assert!(futures_util::poll!(&mut first).is_pending());
    }
    let (second, ()) = tokio::join!(client.submit(task(2)), async { backend.open() });
    assert!(second.is_ok());
}

#[tokio::test]
async fn a_call_that_panics_leaves_nobody_waiting() {
    let backend = Told::new();
    let client = client(&backend);
    backend.panic_once();
    let answers = at_once(&backend, &client, vec![task(1), task(2)]).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Queue(_)))), "{answers:?}");
    assert!(client.submit(task(3)).await.is_ok(), "and the next one finds a way");
}
