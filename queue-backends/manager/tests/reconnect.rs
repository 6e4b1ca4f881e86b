//! A client and its links: which place it takes, what it says when there is none, and when it lets go.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::{path::PathBuf, sync::Arc, time::Duration};

use fixture::{
    fake::{self, Manners},
    tcp::{self, Fort},
};
use skep_manager::{
    Grant, Manager, Role,
    client::{Event, Place},
    wire::Request,
};
use skep_queue::{
    Admin, Beat, Clock, DroneFacts, Error, Incarnation, Queue, QueueName,
    beat::DEFAULT_TTL,
    clock::{SystemClock, SystemRandom},
};
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;

const BOUND: Duration = Duration::from_secs(20);

fn manager(places: Vec<Place>) -> Manager {
    Manager::new(places, Arc::new(SystemClock), Arc::new(SystemRandom))
}

fn socket(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

async fn next(events: &mut Receiver<Event>) -> Event {
    tokio::time::timeout(BOUND, events.recv()).await.expect("an event").unwrap()
}

async fn why(manager: &Manager) -> String {
    match tokio::time::timeout(BOUND, manager.ping()).await.expect("an answer at once") {
        Err(Error::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_next_place_is_taken_at_once_and_every_step_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let [none, one, two] = ["none", "one", "two"].map(|name| socket(&folder, name));
    fake::start(&one, Manners::Answers(1));
    fake::start(&two, Manners::Answers(1));
    let [none, one, two] = [none, one, two].map(Place::Unix);
    let manager = manager(vec![none.clone(), one.clone(), two.clone()]);
    let mut events = manager.events();
    let software = || "a fake".to_owned();
    let Event::Failed { place, why } = next(&mut events).await else { panic!("nobody is there") };
    assert_eq!(place, none);
    assert!(why.contains("No such file"), "{why}");
    let begun = SystemClock.elapsed();
    for (place, last) in [(one, false), (two, true)] {
        assert_eq!(next(&mut events).await, Event::Opened { place: place.clone() });
        assert_eq!(next(&mut events).await, Event::Ready { place: place.clone(), software: software() });
        manager.ready().await;
        manager.ping().await.unwrap();
        let closed = Event::Closed { place: place.clone(), why: "the manager hung up".into() };
        assert_eq!(next(&mut events).await, closed);
        assert!(last || SystemClock.elapsed().saturating_sub(begun) < Duration::from_millis(400), "no pause");
    }
}

#[tokio::test]
async fn without_a_link_the_reason_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| socket(&folder, name));
    let manager = manager(vec![Place::Unix(one.clone()), Place::Unix(two.clone())]);
    let said = why(&manager).await;
    for place in [one, two] {
        assert!(said.contains(&format!("unix:{}: ", place.display())), "{said}");
    }
    assert!(said.contains("No such file"), "{said}");
    assert!(self::manager(Vec::new()).queues().await.is_err(), "nowhere is no place");
}

#[tokio::test]
async fn a_manager_that_falls_silent_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket(&folder, "silent");
    fake::start(&path, Manners::Silent(Duration::from_millis(60)));
    let manager = manager(vec![Place::Unix(path)]);
    let said = why(&manager).await;
    assert!(said.contains("nothing was heard for 180ms"), "{said}");
}

#[tokio::test]
async fn who_is_turned_away_hears_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket(&folder, "strict");
    fake::start(&path, Manners::Refuses("no common version: here [9], there [1]"));
    let said = why(&manager(vec![Place::Unix(path)])).await;
    assert!(said.contains("no common version: here [9]"), "{said}");
    let (fort, other) = (Fort::new(fixture::unbounded()), tempfile::tempdir().unwrap());
    let strange = tcp::key(other.path(), Grant::of(Role::Admin));
    let said = why(&tcp::client(tcp::place(fort.at, &strange))).await;
    assert!(said.contains("does not know key"), "{said}");
    let misnamed = Place::Tcp { at: fort.at.to_string(), key: Arc::clone(&fort.key), name: "west".into() };
    let said = why(&tcp::client(misnamed)).await;
    assert!(said.contains("is not called \"west\""), "{said}");
}

#[tokio::test]
async fn a_wait_for_work_without_a_link_ends_soon_and_not_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(vec![Place::Unix(socket(&folder, "none"))]);
    let begun = SystemClock.elapsed();
    tokio::time::timeout(BOUND, manager.arrival(&[])).await.expect("it ends");
    let waited = SystemClock.elapsed().saturating_sub(begun);
    assert!(waited >= Duration::from_millis(900), "it polls no faster than once a second: {waited:?}");
}

/// Its next beat may be far off, and a manager does not wait so long for a drone without a link.
#[tokio::test]
async fn drones_are_announced_on_every_new_link_until_they_leave() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket(&folder, "skep");
    let asked = fake::start(&path, Manners::Answers(1));
    let manager = manager(vec![Place::Unix(path)]).announcing();
    let beat = Beat {
        drone: Incarnation::new(&SystemRandom),
        queue: QueueName::default(),
        ttl: DEFAULT_TTL,
        held: Vec::new(),
        facts: DroneFacts::default(),
        leaving: false,
    };
    let beats = |n: usize| async move {
        tokio::time::timeout(BOUND, async {
            while asked.lock().unwrap().len() < n {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            asked
        })
        .await
        .expect("it is said again")
    };
    // The fake has no orders, and hangs up.
    assert!(manager.beat(beat.clone()).await.is_err());
    let asked = beats(3).await;
    assert!(asked.lock().unwrap().iter().all(|request| *request == Request::Beat(beat.clone())), "{asked:?}");
    let leave = Beat { leaving: true, ..beat };
    while manager.beat(leave.clone()).await.is_err_and(|error| error.to_string().contains("lost")) {}
    let mut events = manager.events();
    while !matches!(next(&mut events).await, Event::Ready { .. }) {}
    let last = |asked: &fake::Asked| asked.lock().unwrap().last().cloned();
    manager.ready().await;
    manager.ping().await.unwrap();
    assert_eq!(last(&asked), Some(Request::Ping), "nobody is announced who has left");
}
