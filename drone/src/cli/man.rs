//! `skep man`: a manual page, for `man -l -`.

use clap::CommandFactory;

use super::{Exit, Failed, World};

/// Prints a manual page, of skep or of a verb: skep man submit | man -l -
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which verb, as in: skep man task list.
    #[arg(value_name = "VERB")]
    verbs: Vec<String>,
}

pub(super) fn run(args: &Args, world: &World) -> Result<Exit, Failed> {
    let mut command = super::Args::command();
    command.build();
    for verb in &args.verbs {
        let found = command.find_subcommand(verb).cloned();
        command = found.ok_or_else(|| Failed::new(Exit::NotFound, format!("there is no verb {verb:?}")))?;
    }
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|error| Failed::new(Exit::Failed, error.to_string()))?;
    world.out.raw(&page);
    Ok(Exit::Ok)
}
