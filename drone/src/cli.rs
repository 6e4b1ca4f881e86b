//! The skep command: one verb per file, each of which parses, calls and prints. Data goes to stdout, talk
//! to stderr.

mod args;
mod bench;
mod call;
mod completions;
mod config;
mod demo;
mod doctor;
mod drone;
mod exit;
mod init;
mod key;
mod man;
mod manager;
mod out;
mod ping;
mod queue;
mod result;
mod schema;
mod spool;
mod status;
mod submit;
mod task;
mod version;

use std::{
    env,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use clap::{Parser, Subcommand};
use skep_queue::{
    Backend, Clock, Random,
    clock::{SystemClock, SystemRandom},
};

use crate::{
    backend::{self, Backends, manager::Manager},
    client::Client,
    config::Url,
    spool::{Config, Spool, default_path},
};
pub(crate) use exit::{Exit, Failed};
pub(crate) use out::{Form, Out};

/// The queue of whoever names none: a file in the working folder.
const DEFAULT_BACKEND: &str = "sqlite:./skep.db";
/// The variable that says the same as `--backend`.
pub(crate) const BACKEND_VARIABLE: &str = "SKEP_BACKEND";

/// The variable that says the same as `--spool`.
pub(crate) const SPOOL_VARIABLE: &str = "SKEP_SPOOL";

/// A persistent task queue for fleets of drones.
#[derive(Debug, Parser)]
#[command(
    name = "skep",
    version,
    about = "A persistent task queue for fleets of drones",
    disable_help_subcommand = true
)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Common {
    /// The queue's URL [default: sqlite:./skep.db].
    // It may hold a password.
    #[arg(long, global = true, env = BACKEND_VARIABLE, hide_env_values = true, value_name = "URL")]
    pub(crate) backend: Option<String>,
    /// The spool's file [default: skep/spool.db in $XDG_STATE_HOME, or ~/.local/state].
    #[arg(long, global = true, env = SPOOL_VARIABLE, value_name = "PATH")]
    pub(crate) spool: Option<PathBuf>,
    /// JSON lines instead of tables.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Only ids.
    #[arg(short, long, global = true, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Bench(bench::Args),
    Call(call::Args),
    Completions(completions::Args),
    /// Looks at a drone's configuration.
    #[command(subcommand)]
    Config(config::Verb),
    Demo(demo::Args),
    Doctor(doctor::Args),
    /// The daemon that runs tasks.
    #[command(subcommand)]
    Drone(drone::Verb),
    Init(init::Args),
    Key(key::Args),
    Man(man::Args),
    /// The server that puts a queue behind sockets.
    #[command(subcommand)]
    Manager(manager::Verb),
    Ping(ping::Args),
    Queue(queue::Args),
    Result(result::Args),
    /// Sets up what a server needs.
    #[command(subcommand)]
    Schema(schema::Verb),
    Spool(spool::Args),
    Status(status::Args),
    Submit(submit::Args),
    Task(task::Args),
    Version(version::Args),
}

/// What a verb works with.
pub(crate) struct World {
    pub(crate) common: Common,
    pub(crate) backends: Backends,
    pub(crate) out: Out,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    /// For the one verb that reads it.
    input: Mutex<Option<Input>>,
    spool: OnceLock<Spool>,
    manager: OnceLock<Arc<Manager>>,
}

/// What is piped in.
pub(crate) type Input = Box<dyn BufRead + Send>;

impl World {
    fn new(common: Common, backends: Backends, out: Out, input: Input) -> Self {
        let input = Mutex::new(Some(input));
        Self {
            common,
            backends,
            out,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            input,
            spool: OnceLock::new(),
            manager: OnceLock::new(),
        }
    }

    /// The queue's URL: as it was said, or the default.
    pub(crate) fn url(&self) -> &str {
        self.common.backend.as_deref().unwrap_or(DEFAULT_BACKEND)
    }

    /// Everybody on a machine sees the arguments of every process.
    fn checked(&self) -> Result<(), Failed> {
        let said = self.common.backend.as_deref().unwrap_or_default();
        let from_variable = std::env::var(BACKEND_VARIABLE).is_ok_and(|variable| variable == said);
        if from_variable || !Url::new(said).has_password() {
            return Ok(());
        }
        let why = format!(
            "--backend holds a password, which everybody on this machine can read: say it in {BACKEND_VARIABLE}, \
             PGPASSWORD or ~/.pgpass, or name a file with password_file="
        );
        Err(Failed::new(Exit::Usage, why))
    }

    /// The backend, for a verb that brings something: it may come into being here.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Backend>, Failed> {
        let url = self.url();
        let wrong = |why: String| Failed::new(Exit::Usage, Url::new(url).redact(&why));
        self.backends.check(url).map_err(wrong)?;
        let redacted = |why: String| Failed::new(Exit::Unreachable, Url::new(url).redact(&why));
        if let Some(manager) = self.manager()? {
            return Ok(manager);
        }
        self.backends.open(url).await.map_err(redacted)
    }

    /// The manager, if the URL names one: one link, whoever asks for it.
    pub(crate) fn manager(&self) -> Result<Option<Arc<Manager>>, Failed> {
        if let Some(manager) = self.manager.get() {
            return Ok(Some(Arc::clone(manager)));
        }
        let manager = self.backends.manager(self.url()).map_err(|why| Failed::new(Exit::Usage, why))?;
        Ok(manager.map(|manager| Arc::clone(self.manager.get_or_init(|| manager))))
    }

    /// The backend, for a verb that only looks: it must be there.
    pub(crate) async fn existing(&self) -> Result<Arc<dyn Backend>, Failed> {
        if let Some(path) = backend::absent_file(self.url()) {
            let why = format!(
                "no queue at {} yet: submit a task first, or name another with --backend",
                path.display()
            );
            return Err(Failed::new(Exit::Unreachable, why));
        }
        self.open().await
    }

    /// A client of a backend.
    pub(crate) fn client(&self, backend: Arc<dyn Backend>) -> Client {
        let client = Client::new(backend, self.clock.clone(), self.random.clone());
        match self.manager.get() {
            Some(manager) => client.through(Arc::clone(manager)),
            None => client,
        }
    }

    /// The spool: as it was said, or the user's own. Nothing is opened or made by this.
    pub(crate) fn spool(&self) -> Spool {
        self.spool.get_or_init(|| Spool::new(Config::at(self.spool_path()), self.clock.clone())).clone()
    }

    fn spool_path(&self) -> PathBuf {
        let said = self.common.spool.clone().filter(|path| !path.as_os_str().is_empty());
        said.unwrap_or_else(|| default_path(|name| env::var_os(name)))
    }

    /// Standard input, once.
    pub(crate) fn input(&self) -> Input {
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
        input.unwrap_or_else(|| Box::new(io::empty()))
    }

    /// Now, where the user is.
    pub(crate) fn local_now(&self) -> jiff::Zoned {
        let now = jiff::Timestamp::from_microsecond(self.clock.now().micros()).unwrap_or_default();
        now.to_zoned(jiff::tz::TimeZone::system())
    }
}

/// Runs the command, with the backends that the program knows.
#[must_use]
pub fn main(backends: Backends) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failed::new(Exit::Failed, format!("no runtime: {error}")).report(),
    };
    let out = Out::real(&args.common);
    let world = World::new(args.common, backends, out, Box::new(BufReader::new(io::stdin())));
    // On a thread that also reads and writes sockets, so that what it waits for need not wake another.
    let ended = runtime.spawn(async move { conclude(args.verb, &world).await });
    match runtime.block_on(ended) {
        Ok(exit) => exit.into(),
        // It has said why.
        Err(_panicked) => Exit::Failed.into(),
    }
}

/// Runs a verb to its exit code; nothing is left unsaid.
async fn conclude(verb: Verb, world: &World) -> Exit {
    let ended = match world.checked() {
        Ok(()) => run(verb, world).await,
        Err(failed) => Err(failed),
    };
    // What was said before an error comes before it.
    let said = world.out.finish();
    match ended.and_then(|exit| said.map(|()| exit)) {
        Ok(exit) => exit,
        Err(failed) => {
            world.out.talk(format!("error: {}", failed.text()));
            failed.exit()
        }
    }
}

async fn run(verb: Verb, world: &World) -> Result<Exit, Failed> {
    match verb {
        Verb::Bench(args) => bench::run(args, world).await,
        Verb::Call(args) => call::run(args, world).await,
        Verb::Completions(args) => completions::run(&args, world),
        Verb::Config(verb) => config::run(verb, world),
        Verb::Demo(args) => demo::run(args, world).await,
        Verb::Doctor(args) => doctor::run(&args, world).await,
        Verb::Drone(verb) => drone::run(verb, world).await,
        Verb::Init(args) => init::run(&args, world),
        Verb::Key(args) => key::run(args, world),
        Verb::Man(args) => man::run(&args, world),
        Verb::Manager(verb) => manager::run(verb, world).await,
        Verb::Ping(args) => ping::run(&args, world).await,
        Verb::Queue(args) => queue::run(args, world).await,
        Verb::Result(args) => result::run(args, world).await,
        Verb::Schema(verb) => schema::run(&verb, world).await,
        Verb::Spool(args) => spool::run(args, world).await,
        Verb::Status(args) => status::run(&args, world).await,
        Verb::Submit(args) => submit::run(args, world).await,
        Verb::Task(args) => task::run(args, world).await,
        Verb::Version(args) => version::run(&args, world),
    }
}

#[cfg(test)]
mod tests;
