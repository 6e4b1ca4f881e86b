//! `skep manager run`

use std::{net::ToSocketAddrs, sync::Arc};

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
    cli::{Exit, Failed, World},
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
    let backend = open(&config, &world.backends).await?;
    let listeners = listeners(&config)?;
    let server = Server::new(backend, config.server, Arc::clone(&world.clock), Arc::clone(&world.random));
    let (stop, serving) = (CancellationToken::new(), TaskTracker::new());
    for listener in listeners {
        serving.spawn(Arc::clone(&server).serve(listener, stop.clone()));
    }
    serving.close();
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
    let opened = backends.open_for(url.reveal(), "manager").await;
    opened.map_err(|why| Failed::new(Exit::Unreachable, format!("cannot open {url}: {}", url.redact(&why))))
}

/// Every place, or none.
fn listeners(config: &Config) -> Result<Vec<Listener>, Failed> {
    let mut bound = Vec::new();
    for place in &config.listen {
        let listener = address(place).and_then(|address| Listener::bind(&address));
        bound.push(
            listener
                .map_err(|error| Failed::new(Exit::Failed, format!("cannot listen on {place}: {error}")))?,
        );
    }
    Ok(bound)
}

fn address(place: &Listen) -> std::io::Result<Address> {
    match place {
        Listen::Unix(path) => Ok(Address::Unix(path.clone())),
        Listen::Tcp(host, port) => {
            let _found = (host.as_str(), *port).to_socket_addrs()?.next();
            Err(std::io::ErrorKind::Unsupported.into())
        }
    }
}
