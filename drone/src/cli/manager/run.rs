//! `skep manager run`

use std::sync::Arc;

use skep_queue::Backend;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::source::FileArgs;
use crate::{
    backend::{
        Backends,
        manager::{
            Server,
            server::{Address, Listener},
        },
    },
    cli::{Exit, Failed, Form, World},
    config::manager::{Config, Listen},
    log,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    file: FileArgs,
}

pub(crate) async fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    let loaded = args.file.load(world)?;
    log::init(&loaded.config.log).map_err(|error| Failed::new(Exit::Usage, error))?;
    for note in &loaded.notes.0 {
        tracing::warn!("{note}");
    }
    let config = loaded.config;
    let failed = |error: std::io::Error| Failed::new(Exit::Failed, error.to_string());
    // Before the first connection: a stop that comes at once is a stop, too.
    let mut signals =
        [signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::interrupt()).map_err(failed)?];
    // Who finds the place taken makes nothing.
    let listeners = listeners(&config)?;
    let backend = open(&config, &world.backends).await?;
    let server = Server::new(backend, config.server, Arc::clone(&world.clock));
    let (stop, serving) = (CancellationToken::new(), TaskTracker::new());
    for (listener, place) in listeners {
        match world.out.form() {
            Form::Json => world.out.json(&serde_json::json!({ "listen": place })),
            _ => world.out.line(&place),
        }
        tracing::info!(place, "listening");
        serving.spawn(Arc::clone(&server).serve(listener, stop.clone()));
    }
    serving.close();
    world.out.flush();
    tracing::info!(backend = %config.backend, "manager started");
    loop {
        let [term, int] = &mut signals;
        tokio::select! {
            () = serving.wait() => break,
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        if stop.is_cancelled() {
            return Err(Failed::new(Exit::Failed, "stopped at once: what was under way has no answer"));
        }
        stop.cancel();
    }
    tracing::info!("manager stopped");
    Ok(Exit::Ok)
}

/// The queue behind the manager.
pub(super) async fn open(config: &Config, backends: &Backends) -> Result<Arc<dyn Backend>, Failed> {
    let url = &config.backend;
    let opened = backends.open_for_manager(url.reveal()).await;
    opened.map_err(|why| Failed::new(Exit::Unreachable, format!("cannot open {url}: {}", url.redact(&why))))
}

/// Every place, or none; and as which each is known.
fn listeners(config: &Config) -> Result<Vec<(Listener, String)>, Failed> {
    let mut bound = Vec::new();
    for place in &config.listen {
        let listener = listen(place, config).map_err(|error| {
            let failed = Failed::new(Exit::Failed, format!("cannot listen on {place}: {error}"));
            let no_ring = matches!(place, Listen::Tcp(..)) && !config.keys.exists();
            if no_ring { failed.note("make a key first: skep key new --role drone") } else { failed }
        })?;
        let name = listener.local_address().map_or_else(|| place.to_string(), |at| format!("tcp:{at}"));
        bound.push((listener, name));
    }
    Ok(bound)
}

fn listen(place: &Listen, config: &Config) -> std::io::Result<Listener> {
    let listener = Listener::bind(&match place {
        Listen::Unix(path) => Address::Unix(path.clone()),
        Listen::Tcp(host, port) => {
            let at = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            Address::Tcp { at, ring: config.keys.clone() }
        }
    })?;
    if !config.server.users.is_empty() {
        // Who comes is told by the system, and whoever is not listed is turned away.
        listener.mode(0o666)?;
    }
    Ok(listener)
}
