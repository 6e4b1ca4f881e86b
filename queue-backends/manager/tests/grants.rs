//! Who may ask what.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, net::UnixListener as StdListener},
    sync::Arc,
    time::Duration,
};

use fixture::{
    raw::{LONG, Raw, secure},
    tcp::{Fort, key},
};
use skep_manager::{
    Grant, Key, Ring, Role,
    server::{Address, Config, Listener},
    wire::{Answer, End, Request},
};
use skep_queue::{
    Admin, Beat, Block, BlockId, ClaimId, Demand, DroneFacts, Ending, Error, Failure, Incarnation, Mask,
    Options, Outcome, Pump, Queue, QueueName, Settlement, Submission, TaskType,
    admin::{Act, Filter, Setting},
    block::OnConflict,
    clock::{SystemClock, SystemRandom},
};
use tokio::time::timeout;

fn name(name: &str) -> TaskType {
    name.parse().unwrap()
}

fn block(task_type: &str) -> Block {
    Block::one(name(task_type), "{}", &SystemClock, &SystemRandom)
}

fn drone(n: u128) -> Incarnation {
    Incarnation::from_bytes(&n.to_be_bytes()).unwrap()
}

fn beat(n: u128, types: &[&str]) -> Request {
    let types = types.iter().map(|t| name(t)).collect();
    let facts = DroneFacts { types, ..DroneFacts::default() };
    let ttl = Duration::from_secs(60);
    Request::Beat(Beat {
        drone: drone(n),
        queue: QueueName::default(),
        ttl,
        held: vec![],
        facts,
        leaving: false,
    })
}

fn pump(n: u128, task_type: &str) -> Request {
    let demands = vec![Demand { task_type: name(task_type), room: 10 }];
    let claim = ClaimId::new(&SystemRandom);
    Request::Pump(Pump { drone: drone(n), claim, queue: QueueName::default(), demands })
}

fn settle(follow_up: Option<Block>) -> Request {
    let outcome = Outcome::Complete { result: None, submit: follow_up.into_iter().collect() };
    let endings = vec![Ending { members: Mask::first(1), outcome }];
    let (claim, block) = (ClaimId::new(&SystemRandom), BlockId::new(&SystemClock, &SystemRandom));
    Request::Settle { settlements: vec![Settlement { claim, block, endings }] }
}

/// Every verb, and which roles may use it: submit, drone, view, admin.
fn verbs() -> Vec<(Request, [bool; 4])> {
    let wait = Duration::from_millis(1);
    let task = BlockId::new(&SystemClock, &SystemRandom).task(0);
    let setting = Setting::Paused(false);
    vec![
        (Request::Ping, [true; 4]),
        (Request::Submit(Submission::whole(vec![block("a")])), [true, true, false, true]),
        (Request::Call { block: block("a"), wait }, [true, false, false, true]),
        (Request::Collect { id: task, wait }, [true, false, false, true]),
        (beat(1, &["a"]), [false, true, false, true]),
        (pump(1, "a"), [false, true, false, true]),
        (settle(None), [false, true, false, true]),
        (Request::Arrival { types: vec![] }, [false, true, false, true]),
        (Request::Progress { notes: vec![] }, [false, true, false, true]),
        (Request::Status, [false, false, true, true]),
        (Request::Queues, [false, false, true, true]),
        (Request::Find(Filter { limit: 9, ..Filter::default() }), [false, false, true, true]),
        (Request::Drones, [false, false, true, true]),
        (Request::Task { id: task }, [false, false, false, true]),
        (Request::Act { act: Act::Cancel, ids: vec![task] }, [false, false, false, true]),
        (Request::Set { queue: QueueName::default(), task_type: None, setting }, [false, false, false, true]),
        (Request::Drain { drone: drone(9) }, [false, false, false, true]),
        (Request::Rescue { drone: drone(9) }, [false, false, false, true]),
    ]
}

fn said(answer: &Result<Answer, Error>) -> &str {
    match answer {
        Err(Error::Refused(why)) if why.contains(" may not ") => why,
        _ => "",
    }
}

#[tokio::test]
async fn each_role_asks_what_is_its_own() {
    for (at, role) in Role::ALL.into_iter().enumerate() {
        let fort = Fort::new(Config::default());
        let key = key(fort.folder(), Grant::of(role));
        for (request, may) in verbs() {
            let mut link = Raw::tcp(fort.at, &key).await;
            let asked = link.ask(&request);
            let Ok(answer) = timeout(Duration::from_secs(2), asked).await else {
                assert!(may[at] && matches!(request, Request::Arrival { .. }), "{request:?} waits");
                continue;
            };
            let why = said(&answer);
            assert_eq!(why.is_empty(), may[at], "{role}: {request:?}: {answer:?}");
            if !may[at] {
                assert!(why.contains(&key.id.to_string()) && why.contains("it may "), "{why}");
            }
        }
    }
}

#[tokio::test]
async fn only_granted_types_and_queues() {
    let fort = Fort::new(Config::default());
    let few =
        |role| Grant { role, types: vec!["a*".parse().unwrap()], queues: vec!["default".parse().unwrap()] };
    let (submit, claim) = (key(fort.folder(), few(Role::Submit)), key(fort.folder(), few(Role::Drone)));
    let elsewhere = Block { queue: "other".parse().unwrap(), ..block("a") };
    let postback = Options { postback: Some(name("b")), ..Options::default() };
    let postback = Block { options: Arc::new(postback), ..block("a") };
    let replacing =
        Options { unique_key: Some("k".into()), on_conflict: OnConflict::Replace, ..Options::default() };
    let replacing = Block { options: Arc::new(replacing), ..block("a") };
    let submission =
        |block: &Block| Request::Submit(Submission::whole(vec![self::block("a"), block.clone()]));
    let call = |block: &Block| Request::Call { block: block.clone(), wait: Duration::ZERO };
    let mut link = Raw::tcp(fort.at, &submit).await;
    let not_his = [
        (block("b"), "of type b"),
        (elsewhere, "in queue other"),
        (postback, "of type b"),
        (replacing, "that replace who has their unique key"),
    ];
    for (block, what) in not_his {
        for request in [submission(&block), call(&block)] {
            let answer = link.ask(&request).await;
            let why = said(&answer);
            assert!(
                why.contains(what) && why.ends_with(", types a*, queues default"),
                "{request:?}: {answer:?}"
            );
        }
    }
    assert_eq!(
        fort.model.find(Filter { limit: 9, ..Filter::default() }).await.unwrap().len(),
        0,
        "nothing of a call that is refused in part"
    );
    link.ask(&submission(&block("aa"))).await.unwrap();

    let mut link = Raw::tcp(fort.at, &claim).await;
    let mut refused = vec![beat(1, &["a", "b"]), pump(1, "b"), settle(Some(block("b")))];
    refused.push(Request::Arrival { types: vec![name("a"), name("b")] });
    refused.push(submission(&block("b")));
    for request in refused {
        let answer = link.ask(&request).await;
        assert!(said(&answer).contains("of type b"), "{request:?}: {answer:?}");
    }
    for request in [beat(1, &["a"]), pump(1, "ab"), settle(Some(block("ab")))] {
        link.ask(&request).await.unwrap();
    }
}

#[tokio::test]
async fn a_drone_belongs_to_the_key_that_first_spoke_for_it() {
    let fort = Fort::new(Config::default());
    let (one, two) = (key(fort.folder(), Grant::of(Role::Drone)), key(fort.folder(), Grant::of(Role::Drone)));
    let (mut first, mut second) = (Raw::tcp(fort.at, &one).await, Raw::tcp(fort.at, &two).await);
    first.ask(&beat(1, &["a"])).await.unwrap();
    second.ask(&pump(2, "a")).await.unwrap();
    for (link, request, owner) in [(&mut second, beat(1, &["a"]), &one), (&mut first, pump(2, "a"), &two)] {
        let answer = link.ask(&request).await;
        assert!(said(&answer).contains(&format!("which belongs to key {}", owner.id)), "{answer:?}");
    }
    // The same key on another link is the same principal.
    Raw::tcp(fort.at, &one).await.ask(&beat(1, &["a"])).await.unwrap();
}

#[tokio::test]
async fn who_looks_sees_no_errors_and_only_what_is_granted() {
    let fort = Fort::new(Config::default());
    for task_type in ["a", "b"] {
        let submitted = fort.model.submit(Submission::whole(vec![block(task_type)])).await.unwrap();
        assert_eq!(submitted, [skep_queue::Submitted::Accepted]);
    }
    let Request::Pump(pump) = pump(1, "a") else { unreachable!() };
    let claimed = fort.model.pump(pump).await.unwrap().remove(0);
    let failure = Failure::new(skep_queue::Cause::Failed, "the password was hunter2");
    let outcome = Outcome::Retry { failure, after: Duration::ZERO };
    let endings = vec![Ending { members: claimed.live, outcome }];
    let settlement = Settlement { claim: claimed.claim, block: claimed.block, endings };
    fort.model.settle(vec![settlement]).await.unwrap();

    let find = Request::Find(Filter { limit: 9, ..Filter::default() });
    let errors = async |key: &Key| {
        let Answer::Found(views) = Raw::tcp(fort.at, key).await.ask(&find).await.unwrap() else { panic!() };
        views.into_iter().map(|view| (view.task_type.to_string(), view.error)).collect::<Vec<_>>()
    };
    let all = errors(&fort.key).await;
    assert!(all.len() == 2 && all.iter().any(|(_, error)| error.is_some()), "{all:?}");
    let few = Grant { types: vec!["a".parse().unwrap()], ..Grant::of(Role::View) };
    let viewer = key(fort.folder(), few);
    assert_eq!(errors(&viewer).await, [("a".to_owned(), None)]);
    let Answer::Queues(queues) = Raw::tcp(fort.at, &viewer).await.ask(&Request::Queues).await.unwrap() else {
        panic!()
    };
    assert_eq!(queues[0].types.iter().map(|of| of.name.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn who_waits_for_an_end_waits_for_his_own() {
    let fort = Fort::new(Config::default());
    let few = Grant { types: vec!["a".parse().unwrap()], ..Grant::of(Role::Submit) };
    let mut link = Raw::tcp(fort.at, &key(fort.folder(), few)).await;
    for (task_type, end) in [("a", End::Waiting), ("b", End::NotKept)] {
        let block = block(task_type);
        let id = block.id.task(0);
        fort.model.submit(Submission::whole(vec![block])).await.unwrap();
        let answer = link.ask(&Request::Collect { id, wait: Duration::ZERO }).await.unwrap();
        assert_eq!(answer, Answer::Collected(end));
    }
}

#[tokio::test]
async fn who_pretends_to_be_more_is_told_so() {
    let fort = Fort::new(Config::default());
    let key = Key { role: Role::Admin, ..Key::clone(&key(fort.folder(), Grant::of(Role::View))) };
    let answer = Raw::tcp(fort.at, &key).await.ask(&Request::Queues).await;
    assert!(said(&answer).contains("may not connect as admin"), "{answer:?}");
    // An admin may come as less, and is less then.
    let key = Key { role: Role::View, ..Key::clone(&fort.key) };
    let answer = Raw::tcp(fort.at, &key).await.ask(&Request::Drain { drone: drone(1) }).await;
    assert!(said(&answer).contains("may not drain a drone: it may look"), "{answer:?}");
}

#[tokio::test]
async fn a_revoked_key_ends_its_links_and_a_new_one_opens_them() {
    let fort = Fort::new(Config::default());
    let ring = fort.folder().join("keys");
    let key = key(fort.folder(), Grant::of(Role::Submit));
    let other = Ring::add(&ring, "other", Grant::of(Role::Submit), &SystemClock).unwrap();
    let mut kept = Raw::tcp(fort.at, &other).await;
    kept.ask(&Request::Ping).await.unwrap();
    let mut link = Raw::tcp(fort.at, &key).await;
    link.ask(&Request::Ping).await.unwrap();
    Ring::revoke(&ring, key.id).unwrap();
    let ended = async {
        // But for signs of life.
        while let Ok(Some(frame)) = link.receiver.next().await {
            assert_eq!(frame.id, 0, "nothing more is said on it");
        }
    };
    timeout(LONG, ended).await.expect("the link ends");
    assert!(secure(fort.at, &key).await.is_err(), "nor can it be opened again");
    kept.ask(&Request::Ping).await.unwrap();
    // A ring that cannot be read changes nothing.
    fs::set_permissions(&ring, fs::Permissions::from_mode(0o644)).unwrap();
    secure(fort.at, &other).await.unwrap();
}

#[tokio::test]
async fn there_is_no_port_without_a_ring() {
    let folder = tempfile::tempdir().unwrap();
    let ring = folder.path().join("keys");
    let address = Address::Tcp { at: "127.0.0.1:0".into(), ring };
    let error = Listener::bind(&address).err().unwrap().to_string();
    assert!(error.contains("keys"), "{error}");
}

#[tokio::test]
async fn a_socket_file_is_private_and_replaced_only_when_nobody_answers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("skep.sock");
    let address = Address::Unix(path.clone());
    let listener = Listener::bind(&address).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    listener.mode(0o660).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let taken = Listener::bind(&address).err().expect("somebody answers there");
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    drop(listener);
    assert!(!path.exists(), "it goes with its listener");

    // What a crash leaves: a file that nobody answers on.
    drop(StdListener::bind(&path).unwrap());
    drop(Listener::bind(&address).unwrap());
    fs::write(&path, "a file of somebody's").unwrap();
    assert!(Listener::bind(&address).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file of somebody's");
}
