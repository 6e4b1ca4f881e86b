//! Whatever a task brings along: nothing reaches the terminal as it is.

use super::*;

const WILD: &str = "a\u{9b}31m\u{202e}b";

#[tokio::test]
async fn texts_of_tasks_do_not_steer() {
    let desk = Desk::new();
    let payload = serde_json::to_string(WILD).unwrap();
    let id = desk.task(&["t", &payload]).await;
    let result = format!("{{\n\t\"text\": {payload}\n}}");
    desk.backend.work("t", Ok(&result)).await;
    let failed = desk.task(&["t", "--meta", "k=\u{1b}]0;x\u{7}"]).await;
    desk.backend.work("t", Err("\u{202e}gone\u{2028}")).await;
    let commands: [&[&str]; 8] = [
        &["task", "list"],
        &["task", "list", "--json"],
        &["task", "show", &id],
        &["task", "show", &id, "--json"],
        &["task", "show", &failed],
        &["result", &id],
        &["result", &failed],
        &["status"],
    ];
    for words in commands {
        let said = desk.run(words).await;
        for c in said.out.chars().chain(said.talk.chars()) {
            assert!(!c.is_control() || c == '\n', "{words:?} prints {c:?}");
            assert!(!matches!(c, '\u{2028}'..='\u{202e}'), "{words:?} prints {c:?}");
        }
    }
    let said = desk.run(&["result", &id]).await;
    assert_eq!(said.values()[0]["text"], WILD, "yet JSON keeps its meaning");
    let said = desk.run(&["task", "show", &id, "--json"]).await;
    assert_eq!(said.values()[0]["payload"], WILD);
}

/// A reader that has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A disk that is full.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure_but_a_full_disk_is() {
    let args = Args::try_parse_from(["skep", "version"]).unwrap();
    let closed = Out::new(&args.common, Closed, std::io::sink());
    (0..10_000).for_each(|_| closed.line("and on"));
    assert!(closed.finish().is_ok());
    let full = Out::new(&args.common, Full, std::io::sink());
    full.line("on");
    assert_eq!(full.finish().unwrap_err().exit(), Exit::Failed);
}
