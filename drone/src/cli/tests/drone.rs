use skep_queue::{
    Admin, Beat, ClaimId, Demand, DroneFacts, Incarnation, Pump, Queue, QueueName, beat::DEFAULT_TTL,
};

use super::*;

/// A drone that speaks, and takes a task of type `t`.
async fn drone(desk: &Desk, name: &str) -> Incarnation {
    let drone = Incarnation::new(&*desk.random);
    let facts = DroneFacts { name: name.to_owned(), ..DroneFacts::default() };
    let (queue, held) = (QueueName::default(), Vec::new());
    let beat = Beat { drone, queue: queue.clone(), ttl: DEFAULT_TTL, held, facts, leaving: false };
    desk.backend.beat(beat).await.unwrap();
    let demands = vec![Demand { task_type: "t".parse().unwrap(), room: 1 }];
    let claim = ClaimId::new(&*desk.random);
    desk.backend.pump(Pump { drone, claim, queue, demands }).await.unwrap();
    drone
}

#[tokio::test]
async fn a_drone_is_taken_for_gone() {
    let desk = Desk::new();
    let task = desk.task(&["t"]).await;
    let incarnation = drone(&desk, "hive-1").await.to_string();
    let said = desk.run(&["drone", "rescue", "hive-1", "--dry-run"]).await.ends(Exit::Ok);
    assert!(said.out.contains("would be rescued") && said.talk.contains("will run twice"), "{}", said.talk);
    assert_eq!(desk.backend.drones().await.unwrap().len(), 1);
    let said = desk.json(&["drone", "rescue", &incarnation]).await;
    assert_eq!(said[0]["outcome"], "rescued");
    assert_eq!((&said[0]["name"], &said[0]["incarnation"]), (&"hive-1".into(), &incarnation.into()));
    let shown = &desk.json(&["task", "show", &task]).await[0];
    assert_eq!((&shown["state"], &shown["losses"]), (&"available".into(), &1.into()));
    desk.run(&["drone", "rescue", "hive-1"]).await.ends(Exit::NotFound);
}

#[tokio::test]
async fn one_of_two_of_a_name_must_be_said() {
    let desk = Desk::new();
    let (old, new) = (drone(&desk, "hive").await.to_string(), drone(&desk, "hive").await.to_string());
    let said = desk.run(&["drone", "rescue", "hive"]).await.ends(Exit::Usage);
    assert!(said.talk.contains(&old) && said.talk.contains(&new), "{}", said.talk);
    // As the table shows it.
    desk.run(&["drone", "rescue", &old[28..], "-q"]).await.ends(Exit::Ok);
    let left = desk.backend.drones().await.unwrap();
    assert_eq!(left.iter().map(|drone| drone.incarnation.to_string()).collect::<Vec<_>>(), [new]);
}

#[tokio::test]
async fn what_has_no_room_stays_with_it() {
    let desk = Desk::new();
    let task = desk.task(&["t", "--postback", "p"]).await;
    drone(&desk, "hive").await;
    desk.run(&["task", "cancel", &task]).await.ends(Exit::Ok);
    desk.run(&["queue", "capacity", "default", "0", "--type", "p"]).await.ends(Exit::Ok);
    let said = desk.run(&["drone", "rescue", "hive"]).await.ends(Exit::Failed);
    assert!(said.out.contains("in part"), "{}", said.out);
    desk.run(&["queue", "capacity", "default", "none", "--type", "p"]).await.ends(Exit::Ok);
    desk.run(&["drone", "rescue", "hive"]).await.ends(Exit::Ok);
    assert_eq!(desk.json(&["task", "show", &task]).await[0]["state"], "cancelled");
}

#[tokio::test]
async fn status_says_how_long_the_first_waits() {
    let desk = Desk::new();
    desk.task(&["t"]).await;
    desk.clock.advance(std::time::Duration::from_millis(3_700));
    let said = desk.run(&["status"]).await.ends(Exit::Ok);
    assert!(said.out.contains("open, waiting for 3s"), "{}", said.out);
    let queues = &desk.json(&["status"]).await[0]["queues"];
    assert_eq!(queues[0]["waiting_since"], "2026-01-01T00:00:00Z");
    desk.task(&["t"]).await;
    let said = desk.run(&["status"]).await.ends(Exit::Ok);
    let waits = "waits      default: <1s 1  <10s 1  <1m 0  <10m 0  <1h 0  longer 0\n";
    assert!(said.out.contains(waits), "{}", said.out);
    assert_eq!(desk.json(&["status"]).await[0]["queues"][0]["waits"]["under_10s"], 1);
    drone(&desk, "hive").await;
    drone(&desk, "nest").await;
    let said = desk.run(&["status"]).await.ends(Exit::Ok);
    assert!(!said.out.contains("wait"), "{}", said.out);
}
