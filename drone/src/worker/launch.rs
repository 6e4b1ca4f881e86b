//! What both kinds of process have in common at their start: environment, identity, limits, and finding the
//! program.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::process::Resource;
use serde::{Deserialize, Serialize};
use skep_queue::{Clock, Random};
use tokio_util::task::TaskTracker;

use super::leftovers;
use crate::plumbing::Recipe;

mod identity;
pub(crate) mod size;

/// The number of a user of this machine, by name or number.
///
/// # Errors
/// In words: there is no such user.
pub(crate) fn user_id(name: &str) -> Result<u32, String> {
    identity::user(name).map(|user| user.uid)
}

/// What a worker may see of the drone's environment, beside every `LC_*`. All else is the drone's business:
/// the backend's URL above all.
const ALLOWED: [&str; 6] = ["PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR"];
/// Where programs are looked for when the drone itself has no PATH.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How the processes of a worker are launched, whatever they run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Launch {
    /// Variables beside the allow-list (PATH, HOME, LANG, LANGUAGE, TZ, TMPDIR, LC_*); these win.
    pub env: BTreeMap<String, String>,
    /// The folder it runs in; the drone's own when absent. A relative program is found from here.
    pub cwd: Option<PathBuf>,
    /// The user it becomes, by name or number; the drone's own when absent. Needs root.
    pub user: Option<String>,
    /// The group it becomes, by name or number; the user's own when absent.
    pub group: Option<String>,
    /// Bounds that the kernel holds.
    pub limits: Limits,
    /// Whether setuid programs stay without effect below it.
    pub no_new_privileges: bool,
}

/// Bounds per process; none when absent. Core dumps are off always.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Address space: bytes, or a text like "512MiB".
    #[serde(with = "size", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::config::raw::Size>")]
    pub memory: Option<u64>,
    /// Processor time over its whole life; rounded up to seconds.
    #[serde(with = "crate::duration::text::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::config::raw::Time>")]
    pub cpu: Option<Duration>,
    /// Open files.
    pub files: Option<u64>,
    /// Longest file it can write: bytes, or a text like "1GiB".
    #[serde(with = "size", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::config::raw::Size>")]
    pub file_size: Option<u64>,
}

/// What workers take from the drone.
#[derive(Clone)]
pub struct Deps {
    /// For the rate of logs.
    pub clock: Arc<dyn Clock>,
    /// For jitter.
    pub random: Arc<dyn Random>,
    /// Where their tasks run.
    pub tracker: TaskTracker,
    /// The drone's incarnation: the mark by which leftovers are known, see [`leftovers`].
    pub incarnation: String,
}

/// The file that `argv` would start, or in words why there is none.
///
/// # Errors
/// When it is missing or cannot be executed; the text names the program and where it was looked for.
pub fn check_program(argv: &[String], cwd: Option<&Path>, path: Option<&OsStr>) -> Result<PathBuf, String> {
    let Some(program) = argv.first().filter(|program| !program.is_empty()) else {
        return Err("no program is named: argv is empty".into());
    };
    if program.contains('/') {
        let file = cwd.unwrap_or(Path::new(".")).join(program);
        // std resolves a relative program before it changes the folder; absolute means the same everywhere.
        let file = std::path::absolute(&file).unwrap_or(file);
        return executable(&file).map(|()| file);
    }
    let path = path.map_or_else(|| OsString::from(PATH), OsStr::to_owned);
    let mut unfit = None;
    for file in env::split_paths(&path).map(|folder| folder.join(program)) {
        match executable(&file) {
            Ok(()) => return Ok(std::path::absolute(&file).unwrap_or(file)),
            Err(why) if file.exists() => unfit = unfit.or(Some(why)),
            Err(_) => {}
        }
    }
    Err(unfit.unwrap_or_else(|| format!("no program {program:?}: looked in {}", path.to_string_lossy())))
}

fn executable(file: &Path) -> Result<(), String> {
    let shown = file.display();
    let meta = fs::metadata(file).map_err(|error| format!("no program {shown}: {error}"))?;
    if !meta.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK)
        .map_err(|_| format!("{shown} is not executable: chmod +x it, or name its interpreter first"))
}

// === impl Launch ===

impl Launch {
    /// The program of `argv`, as this launch would find it.
    ///
    /// # Errors
    /// As [`check_program`].
    pub fn program(&self, argv: &[String]) -> Result<PathBuf, String> {
        let own = self.env.get("PATH").map(OsString::from).or_else(|| env::var_os("PATH"));
        check_program(argv, self.cwd.as_deref(), own.as_deref())
    }

    /// Everything that can be known before the fork.
    pub(super) fn recipe(&self, argv: &[String], worker: &str, incarnation: &str) -> Result<Recipe, String> {
        let program = self.program(argv)?;
        if let Some(cwd) = self.cwd.as_ref().filter(|cwd| !cwd.is_dir()) {
            return Err(format!("no folder {} to run {} in", cwd.display(), program.display()));
        }
        let user = self.user.as_deref().map(identity::user).transpose()?;
        let group = self.group.as_deref().map(identity::group).transpose()?;
        let mut env = self.environment(user.as_ref().and_then(|user| user.home.as_deref()));
        env.insert("SKEP_WORKER".into(), worker.into());
        env.insert(leftovers::MARKER.into(), incarnation.into());
        Ok(Recipe {
            program,
            args: argv.get(1..).unwrap_or_default().to_vec(),
            env,
            cwd: self.cwd.clone(),
            gid: group.or(user.as_ref().and_then(|user| user.gid)),
            uid: user.map(|user| user.uid),
            limits: self.limits.list(),
            no_new_privileges: self.no_new_privileges,
            replies: false,
        })
    }

    fn environment(&self, home: Option<&str>) -> BTreeMap<OsString, OsString> {
        let allowed = |name: &OsStr| {
            ALLOWED.iter().any(|allowed| name == *allowed) || name.as_encoded_bytes().starts_with(b"LC_")
        };
        let mut env: BTreeMap<_, _> = env::vars_os().filter(|(name, _)| allowed(name)).collect();
        env.entry("PATH".into()).or_insert_with(|| PATH.into());
        env.extend(home.map(|home| ("HOME".into(), home.into())));
        env.extend(self.env.iter().map(|(name, value)| (name.into(), value.into())));
        env
    }
}

impl Limits {
    fn list(&self) -> Vec<(Resource, u64)> {
        let cpu = self.cpu.map(|cpu| cpu.as_secs() + u64::from(cpu.subsec_nanos() > 0));
        let bounds = [
            (Resource::As, self.memory),
            (Resource::Cpu, cpu),
            (Resource::Nofile, self.files),
            (Resource::Fsize, self.file_size),
            // A core would put payloads on the disk.
            (Resource::Core, Some(0)),
        ];
        bounds.into_iter().filter_map(|(resource, bound)| Some((resource, bound?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_where_it_was_looked_for() {
        let argv = |program: &str| vec![program.to_owned()];
        let path = OsStr::new("/nowhere:/bin");
        let error = check_program(&argv("no-such-program"), None, Some(path)).unwrap_err();
        assert!(error.contains("no-such-program") && error.contains("/nowhere:/bin"), "{error}");
        let error = check_program(&argv("./x"), Some(Path::new("/nowhere")), None).unwrap_err();
        assert!(error.contains("/nowhere/./x") || error.contains("/nowhere/x"), "{error}");
        let error = check_program(&argv("/etc/passwd"), None, None).unwrap_err();
        assert!(error.contains("not executable"), "{error}");
        assert!(check_program(&[], None, None).is_err());
        assert_eq!(check_program(&argv("sh"), None, Some(path)), Ok("/bin/sh".into()));
    }

    #[test]
    fn limits_read_as_people_write_them() {
        let limits: Limits = toml::from_str("memory = \"512MiB\"\ncpu = \"90s\"\nfile_size = 10").unwrap();
        assert_eq!((limits.memory, limits.file_size), (Some(512 << 20), Some(10)));
        assert!(limits.list().contains(&(Resource::Cpu, 90)) && limits.list().contains(&(Resource::Core, 0)));
        assert!(toml::from_str::<Limits>("memory = \"lots\"").is_err());
        assert!(toml::from_str::<Limits>("memry = 1").is_err());
    }
}
