//! `skep init`

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::Path,
};

use super::{Exit, Failed, World};

const HEAD: &str = include_str!("init/skep.toml");
const STAYING: &str = include_str!("init/staying.toml");
const EMBEDDED: &str = include_str!("init/embedded.toml");
const SCRIPT: &str = include_str!("init/script.toml");
const MANAGER: &str = include_str!("init/manager.toml");

/// Writes a commented skep.toml, and a worker; or a manager's file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The worker's language.
    #[arg(long, value_enum, default_value_t = Lang::Python)]
    lang: Lang,
    /// Write a manager's file instead: manager.toml.
    #[arg(long, conflicts_with = "lang")]
    manager: bool,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Lang {
    Python,
    Node,
    Perl,
    Bash,
    Rust,
}

const NEXT_MANAGER: &str = "wrote manager.toml\n\nTry next:\n  \
    skep manager check                              would it run?\n  \
    skep manager run                                the manager\n  \
    skep status --backend unix:./skep.sock          in another shell\n";

/// A file's name, and what is in it.
type Written = (&'static str, String);

pub(super) fn run(args: &Args, world: &World) -> Result<Exit, Failed> {
    write(Path::new("."), args)?;
    world.out.talk(if args.manager { NEXT_MANAGER.to_owned() } else { next(args.lang) });
    Ok(Exit::Ok)
}

fn write(folder: &Path, args: &Args) -> Result<(), Failed> {
    let files = if args.manager { vec![("manager.toml", MANAGER.to_owned())] } else { args.lang.files() };
    if !args.force {
        // All or nothing: half a set would be in the way of the next try.
        let there = files.iter().map(|(name, _)| *name).filter(|name| folder.join(name).exists());
        let there: Vec<&str> = there.collect();
        if !there.is_empty() {
            let text = format!("there already: {}; --force writes over it", there.join(", "));
            return Err(Failed::new(Exit::Conflict, text));
        }
    }
    files.iter().try_for_each(|(name, text)| write_file(&folder.join(name), text, args.force))
}

fn write_file(path: &Path, text: &str, force: bool) -> Result<(), Failed> {
    let wrong = |error: std::io::Error| {
        let exit = if error.kind() == ErrorKind::AlreadyExists { Exit::Conflict } else { Exit::Failed };
        Failed::new(exit, format!("cannot write {}: {error}", path.display()))
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    let mut options = OpenOptions::new();
    options.write(true);
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(wrong)
}

impl Lang {
    fn files(self) -> Vec<Written> {
        let config = ("skep.toml", self.config());
        if self == Self::Rust {
            let manifest =
                include_str!("init/Cargo.toml.txt").replace("@SOURCE@", env!("CARGO_MANIFEST_DIR"));
            let main = include_str!("init/main.rs").to_owned();
            return vec![config, ("Cargo.toml", manifest), ("src/main.rs", main)];
        }
        vec![config, (self.file(), self.worker().to_owned())]
    }

    fn config(self) -> String {
        let worker = match self {
            Self::Rust => EMBEDDED.to_owned(),
            _ => STAYING.replace("@ARGV@", &format!("[\"{}\", \"{}\"]", self.interpreter(), self.file())),
        };
        format!("{HEAD}{worker}{SCRIPT}")
    }

    fn interpreter(self) -> &'static str {
        match self {
            Self::Python => "python3",
            Self::Node => "node",
            Self::Perl => "perl",
            Self::Bash => "bash",
            Self::Rust => "cargo",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Python => "worker.py",
            Self::Node => "worker.mjs",
            Self::Perl => "worker.pl",
            Self::Bash => "worker.sh",
            Self::Rust => "src/main.rs",
        }
    }

    fn worker(self) -> &'static str {
        match self {
            Self::Python => include_str!("../../../examples/workers/worker.py"),
            Self::Node => include_str!("../../../examples/workers/worker.mjs"),
            Self::Perl => include_str!("../../../examples/workers/worker.pl"),
            Self::Bash => include_str!("../../../examples/workers/worker.sh"),
            Self::Rust => include_str!("init/main.rs"),
        }
    }
}

fn next(lang: Lang) -> String {
    let files: Vec<&str> = lang.files().iter().map(|(name, _)| *name).collect();
    let run = if lang == Lang::Rust {
        "  cargo run                               the drone, with its worker inside"
    } else {
        "  skep drone check                        would it run?\n  \
         skep drone run                          the drone"
    };
    let wrote = files.join(", ");
    format!(
        "wrote {wrote}\n\nTry next:\n{run}\n  \
         skep call hello '{{\"name\": \"Ada\"}}'      in another shell: submit, wait, print the result\n"
    )
}

#[cfg(test)]
mod tests;
