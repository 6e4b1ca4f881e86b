//! Where the commands that take a configuration find it.

use std::{env, path::PathBuf};

use crate::{
    cli::{BACKEND_VARIABLE, Exit, Failed, SPOOL_VARIABLE, World},
    config::{self, Flag, Loaded, Origin, Sources},
    log,
};

/// The configuration, and what of it may be said on the command line.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FileArgs {
    /// The configuration.
    #[arg(short, long, default_value = "skep.toml", value_name = "FILE")]
    config: PathBuf,
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
    pub(crate) fn load(&self, world: &World) -> Result<Loaded, Failed> {
        config::load(&self.sources(world), &world.backends).map_err(|problems| {
            let problems = problems.to_string();
            Failed::new(Exit::Usage, format!("the configuration is wrong\n{problems}"))
        })
    }

    fn sources(&self, world: &World) -> Sources {
        let text = |text: &str| toml::Value::String(text.to_owned());
        let level = match self.verbose {
            0 => None,
            1 => Some(text("debug")),
            _ => Some(text("trace")),
        };
        let format = self.log_format.and_then(|format| toml::Value::try_from(format).ok());
        let flag = |name, key, value: Option<_>| value.map(|value| Flag { name, path: ["log", key], value });
        let spool =
            world.common.spool.as_ref().filter(|path| {
                env::var_os(SPOOL_VARIABLE).is_none_or(|variable| variable != path.as_os_str())
            });
        let spool = spool.map(|path| toml::Value::String(path.display().to_string()));
        let spool = spool.map(|value| Flag { name: "--spool", path: ["spool", "path"], value });
        let flags = [flag("-v", "level", level), flag("--log-format", "format", format)];
        let env = env::vars_os().filter_map(|(name, text)| {
            Some((name.into_string().ok()?, text.into_string().ok()?)) // others cannot be ours
        });
        Sources {
            file: self.config.clone(),
            env: env.collect(),
            flags: flags.into_iter().flatten().chain(spool).collect(),
            backend: Some((said(world), world.url().to_owned())),
        }
    }
}

/// Where the backend was said: when the option and the variable say the same, either is right.
fn said(world: &World) -> Origin {
    match (&world.common.backend, env::var(BACKEND_VARIABLE)) {
        (None, _) => Origin::Default,
        (Some(url), Ok(env)) if *url == env => Origin::Env(BACKEND_VARIABLE.into()),
        (Some(_), _) => Origin::Flag("--backend"),
    }
}
