//! Where the manager's commands find its configuration.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::{
    cli::{BACKEND_VARIABLE, Exit, Failed, World},
    config::{
        Flag, Loaded,
        manager::{self, Config, DEFAULT_PORT, FILE, Listen, Sources},
    },
    log,
};

/// The configuration, and what of it may be said on the command line.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct FileArgs {
    /// The configuration [default: manager.toml, if it is there].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen instead: unix:PATH or tcp:HOST:PORT; several times for several places.
    #[arg(long, value_name = "PLACE")]
    listen: Vec<Listen>,
    /// Listen on TCP at this address: with --port, as --listen tcp:HOST:PORT.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Listen on TCP at this port; 0 for any that is free. Without --host on 127.0.0.1.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The key ring.
    #[arg(long, visible_alias = "key", value_name = "RING")]
    keys: Option<PathBuf>,
    /// Say more: debug, and twice trace.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Text or JSON lines.
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<log::Format>,
}

impl FileArgs {
    /// Reads the configuration.
    ///
    /// # Errors
    /// With all that is wrong in it, and exit code 2.
    pub(super) fn load(&self, world: &World) -> Result<Loaded<Config>, Failed> {
        manager::load(&self.sources(world), &world.backends)
            .map_err(|problems| Failed::new(Exit::Usage, format!("the configuration is wrong\n{problems}")))
    }

    fn sources(&self, world: &World) -> Sources {
        let there = || Path::new(FILE).exists().then(|| FILE.into());
        let env = env::vars_os().filter_map(|(name, text)| {
            Some((name.into_string().ok()?, text.into_string().ok()?)) // others cannot be ours
        });
        let flags = [self.places(), self.ring(), backend(world), self.level(), self.format()];
        Sources {
            file: self.config.clone().or_else(there),
            env: env.collect(),
            flags: flags.into_iter().flatten().collect(),
        }
    }

    fn places(&self) -> Option<Flag> {
        let mut places: Vec<String> = self.listen.iter().map(ToString::to_string).collect();
        if self.host.is_some() || self.port.is_some() {
            let host = self.host.clone().unwrap_or_else(|| "127.0.0.1".into());
            places.push(Listen::Tcp(host, self.port.unwrap_or(DEFAULT_PORT)).to_string());
        }
        (!places.is_empty()).then(|| Flag {
            name: "--listen",
            path: ["manager", "listen"],
            value: places.into(),
        })
    }

    fn ring(&self) -> Option<Flag> {
        let value = self.keys.as_ref()?.display().to_string().into();
        Some(Flag { name: "--keys", path: ["manager", "keys"], value })
    }

    fn level(&self) -> Option<Flag> {
        let level = match self.verbose {
            0 => return None,
            1 => "debug",
            _ => "trace",
        };
        Some(Flag { name: "-v", path: ["log", "level"], value: level.into() })
    }

    fn format(&self) -> Option<Flag> {
        let value = toml::Value::try_from(self.log_format?).ok()?;
        Some(Flag { name: "--log-format", path: ["log", "format"], value })
    }
}

/// `--backend`. The variable of the same meaning says where clients go, and so perhaps to this very manager:
/// it is not looked at.
fn backend(world: &World) -> Option<Flag> {
    let url = world.common.backend.clone()?;
    let of_variable = env::var(BACKEND_VARIABLE).is_ok_and(|variable| variable == url);
    (!of_variable).then(|| Flag { name: "--backend", path: ["backend", "url"], value: url.into() })
}
