use super::*;

#[tokio::test]
async fn a_call_prints_the_result() {
    let desk = Desk::new();
    let (said, ()) =
        tokio::join!(desk.run(&["call", "t", "20"]), desk.backend.work("t", Ok("{\n\"n\": 41}")));
    assert_eq!(said.ends(Exit::Ok).out, "{ \"n\": 41}\n", "on one line");
    let (said, ()) = tokio::join!(desk.run(&["submit", "t", "--wait"]), desk.backend.work("t", Ok("1")));
    assert_eq!(said.ends(Exit::Ok).out, "1\n");
}

#[tokio::test]
async fn a_call_that_fails_says_why() {
    let desk = Desk::new();
    let (said, ()) = tokio::join!(desk.run(&["call", "t"]), desk.backend.work("t", Err("no such user")));
    let said = said.ends(Exit::Failed);
    assert_eq!((said.out.as_str(), said.talk.as_str()), ("", "error: discarded: no such user\n"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_can_be_asked_for_later() {
    let desk = Desk::new();
    let said = desk.run(&["call", "t", "--timeout", "5s"]).await.ends(Exit::TimedOut);
    let id = desk.run(&["task", "list", "-q"]).await.out.trim().to_owned();
    assert!(said.talk.contains(&format!("skep result {id} --wait")), "{}", said.talk);
    let said = desk.run(&["result", &id]).await.ends(Exit::Failed);
    assert!(said.talk.contains("is available, and has no result yet"), "{}", said.talk);
    desk.run(&["result", &id, "--wait", "--timeout", "1s"]).await.ends(Exit::TimedOut);
    let words = ["result", id.as_str(), "--wait"];
    let (said, ()) = tokio::join!(desk.run(&words), desk.backend.work("t", Ok("7")));
    assert_eq!(said.ends(Exit::Ok).out, "7\n");
    assert_eq!(desk.run(&["result", &id]).await.ends(Exit::Ok).out, "7\n");
}

#[tokio::test]
async fn results_of_nothing() {
    let desk = Desk::new();
    let said = desk.run(&["result", "00000000-0000-4000-8000-000000000000"]).await.ends(Exit::NotFound);
    assert!(said.talk.contains("never submitted here"), "{}", said.talk);
    desk.run(&["result", "x"]).await.ends(Exit::Usage);
}

#[tokio::test]
async fn a_full_queue_refuses_a_call() {
    let desk = Desk::new();
    desk.run(&["queue", "capacity", "default", "0"]).await.ends(Exit::Ok);
    desk.run(&["call", "t"]).await.ends(Exit::Rejected);
}
