//! Work that may stand still for as long as somebody else likes, on a thread that nobody has to wait for: the
//! runtime would wait for one of its own at its end.

use tokio::sync::oneshot;

/// Runs `work` on a thread of its own; closed when there is no thread to be had, or the work panicked.
pub(crate) fn apart<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> oneshot::Receiver<T> {
    let (answer, answered) = oneshot::channel();
    // Whoever asked may have gone.
    let thread = std::thread::Builder::new().name(name.to_owned());
    let _ = thread.spawn(move || drop(answer.send(work())));
    answered
}
