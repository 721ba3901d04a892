//! What memory is free, so that what does not fit is refused before it starts.
//!
//! A reservation proves nothing: systems grant more than they have, and end the process when it is
//! used. So the system is asked: what the machine can still give, what each control group above this
//! process still allows (versions 1 and 2), and the limit on its address space. Where none of that is
//! known, nothing is refused.

use std::path::Path;

/// Memory that this process can still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeMemory {
    bytes: Option<u64>,
}

impl FreeMemory {
    /// What is free now.
    pub fn now() -> Self {
        Self::read(Path::new("/"))
    }

    /// So many bytes, or an amount that is not known.
    pub fn of(bytes: Option<u64>) -> Self {
        Self { bytes }
    }

    /// The bytes, where they are known.
    pub fn bytes(self) -> Option<u64> {
        self.bytes
    }

    /// Refuses what needs more than is free: a sentence that names what is needed, what is free, and
    /// the way out.
    ///
    /// `what` needs `bytes`; `None` stands for more than can be counted, which no machine has.
    ///
    /// # Errors
    ///
    /// That sentence.
    pub fn holds(self, what: &str, bytes: Option<u64>, way_out: &str) -> Result<(), String> {
        match (bytes, self.bytes) {
            (Some(needed), Some(free)) if needed > free => Err(format!(
                "{what} about {} of memory, and {} are free; {way_out}",
                Bytes(needed),
                Bytes(free)
            )),
            (None, _) => Err(format!(
                "{what} more memory than any machine has; {way_out}"
            )),
            _ => Ok(()),
        }
    }

    /// What the files of a system whose root is here say.
    fn read(root: &Path) -> Self {
        let limits = [
            available(root),
            version_2(root),
            version_1(root),
            address_space(root),
        ];
        Self::of(limits.into_iter().flatten().min())
    }
}

/// What the machine can give without swapping.
fn available(root: &Path) -> Option<u64> {
    kilobytes(&text(&root.join("proc/meminfo"))?, "MemAvailable:")
}

/// What is left of the limit on address space. What the process has mapped and never touched is not
/// counted against it: allocators reserve far more than they use.
fn address_space(root: &Path) -> Option<u64> {
    let limits = text(&root.join("proc/self/limits"))?;
    let line = limits
        .lines()
        .find(|l| l.starts_with("Max address space"))?;
    let soft = line.split_whitespace().nth(3)?.parse::<u64>().ok()?;
    let resident = kilobytes(&text(&root.join("proc/self/status"))?, "VmRSS:")?;
    Some(soft.saturating_sub(resident))
}

/// What the control groups of version 2 still allow, from this process's own up to the root.
fn version_2(root: &Path) -> Option<u64> {
    let path = group(root, |hierarchy, controllers| {
        hierarchy == "0" && controllers.is_empty()
    })?;
    // Beside version 1, version 2 is mounted one folder below.
    let mounts = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];
    let left = mounts.iter().filter_map(|mount| {
        least(&root.join(mount), &path, |folder| {
            left(
                number(&folder.join("memory.max"))?,
                number(&folder.join("memory.current"))?,
                &text(&folder.join("memory.stat")).unwrap_or_default(),
                ["inactive_file", "active_file"],
            )
        })
    });
    left.min()
}

/// The same of version 1.
fn version_1(root: &Path) -> Option<u64> {
    let path = group(root, |_, controllers| {
        controllers.split(',').any(|name| name == "memory")
    })?;
    least(&root.join("sys/fs/cgroup/memory"), &path, |folder| {
        left(
            number(&folder.join("memory.limit_in_bytes"))?,
            number(&folder.join("memory.usage_in_bytes"))?,
            &text(&folder.join("memory.stat")).unwrap_or_default(),
            ["total_inactive_file", "total_active_file"],
        )
    })
}

/// A limit less what is used; pages of files are given back when memory is short.
fn left(limit: u64, used: u64, statistics: &str, files: [&str; 2]) -> Option<u64> {
    let cached = statistics.lines().filter_map(|line| {
        let (name, bytes) = line.split_once(' ')?;
        files
            .contains(&name)
            .then(|| bytes.trim().parse::<u64>().ok())?
    });
    let cached: u64 = cached.fold(0, u64::saturating_add);
    Some(limit.saturating_sub(used.saturating_sub(cached)))
}

/// The path of this process's control group in the hierarchy that `fits`.
fn group(root: &Path, fits: impl Fn(&str, &str) -> bool) -> Option<String> {
    let groups = text(&root.join("proc/self/cgroup"))?;
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (hierarchy, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        fits(hierarchy, controllers).then(|| path.to_owned())
    })
}

/// The least that a group or one above it allows. In a container the path may be one of the host's,
/// of which the container sees only the top.
fn least(mount: &Path, path: &str, allows: impl Fn(&Path) -> Option<u64>) -> Option<u64> {
    let path = Path::new(path.trim_start_matches('/'));
    let inside = path
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    let path = if inside { path } else { Path::new("") };
    path.ancestors()
        .filter_map(|above| allows(&mount.join(above)))
        .min()
}

/// A field of `/proc` that counts kB.
fn kilobytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let number = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?;
    number.checked_mul(1024)
}

/// A file that holds one number; `max`, for no limit, is none.
fn number(path: &Path) -> Option<u64> {
    text(path)?.trim().parse().ok()
}

fn text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// A number of bytes, for people: `1.5 GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
        if self.0 < 1000 {
            return write!(f, "{} bytes", self.0);
        }
        let mut value = self.0 as f64 / 1000.0;
        let mut unit = 0;
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        write!(f, "{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system with these files.
    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn free(files: &[(&str, &str)]) -> Option<u64> {
        FreeMemory::read(system(files).path()).bytes()
    }

    const MEMINFO: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       8000 kB\nMemFree:        100 kB\nMemAvailable:   5000 kB\n",
    );

    #[test]
    fn the_machine_says_what_it_can_give() {
        assert_eq!(free(&[MEMINFO]), Some(5000 * 1024));
        assert_eq!(free(&[("proc/meminfo", "MemFree: 5 kB\n")]), None);
        assert_eq!(free(&[]), None, "a system without these files");
    }

    #[test]
    fn each_group_of_version_2_counts_and_cached_files_do_not() {
        let groups = ("proc/self/cgroup", "0::/jobs/one\n");
        let outer = "sys/fs/cgroup/jobs/";
        let inner = "sys/fs/cgroup/jobs/one/";
        let at = |folder: &str, file: &str| format!("{folder}{file}");
        let (max, current) = (at(inner, "memory.max"), at(inner, "memory.current"));
        let (above, used, stat) = (
            at(outer, "memory.max"),
            at(outer, "memory.current"),
            at(outer, "memory.stat"),
        );
        let open = [(max.as_str(), "max\n"), (current.as_str(), "70000\n")];
        assert_eq!(
            free(&[MEMINFO, groups, open[0], open[1]]),
            Some(5000 * 1024)
        );
        let narrow = [(max.as_str(), "100000\n"), open[1]];
        assert_eq!(free(&[MEMINFO, groups, narrow[0], narrow[1]]), Some(30_000));
        let outside = [
            (above.as_str(), "80000\n"),
            (used.as_str(), "75000\n"),
            (
                stat.as_str(),
                "anon 1\ninactive_file 4000\nactive_file 500\nfile 4500\n",
            ),
        ];
        assert_eq!(
            free(&[
                MEMINFO, groups, narrow[0], narrow[1], outside[0], outside[1], outside[2]
            ]),
            Some(9_500)
        );
    }

    #[test]
    fn version_1_and_a_path_that_a_container_does_not_see() {
        let files = [
            MEMINFO,
            ("proc/self/cgroup", "4:cpu,memory:/host/only/this\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "50000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "20000\n"),
            (
                "sys/fs/cgroup/memory/memory.stat",
                "total_inactive_file 100\n",
            ),
        ];
        assert_eq!(free(&files), Some(30_100));
        let escaping = ("proc/self/cgroup", "0::/../../elsewhere\n");
        assert_eq!(free(&[MEMINFO, escaping]), Some(5000 * 1024));
    }

    #[test]
    fn a_limit_on_address_space_counts() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max address space         3000000              unlimited            bytes     \n";
        let status = ("proc/self/status", "Name:\tfanin\nVmRSS:\t    1000 kB\n");
        let limited = [MEMINFO, ("proc/self/limits", limits), status];
        assert_eq!(free(&limited), Some(3_000_000 - 1_024_000));
    }

    #[test]
    fn what_does_not_fit_is_refused_in_a_sentence() {
        let memory = FreeMemory::of(Some(2_000_000));
        assert!(memory.holds("this needs", Some(2_000_000), "-").is_ok());
        assert_eq!(
            memory.holds("this needs", Some(3_000_000_000), "use less"),
            Err("this needs about 3.0 GB of memory, and 2.0 MB are free; use less".to_owned())
        );
        assert!(memory.holds("this needs", None, "use less").is_err());
        let unknown = FreeMemory::of(None);
        assert!(unknown.holds("this needs", Some(u64::MAX), "-").is_ok());
        assert!(unknown.holds("this needs", None, "-").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_system_says_something() {
        assert!(FreeMemory::now().bytes().is_some_and(|bytes| bytes > 0));
    }
}
