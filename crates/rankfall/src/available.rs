//! How much memory this process may still have: what the machine has free, or less where a limit is
//! set from outside (`ulimit -v`, a control group of a cluster or a container).

use std::fs::read_to_string;
use std::path::Path;

/// Bytes of memory, and what sets the bound, where the system tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Available {
    /// Bytes that can still be had.
    pub bytes: f64,
    /// What bounds them, as messages say it after the number.
    pub bound: &'static str,
}

/// The least of all bounds that the system tells of.
pub fn memory() -> Option<Available> {
    let read = |path: &str| read_to_string(path).ok();
    let own = read("/proc/self/limits").zip(read("/proc/self/status"));
    let bounds = [
        read("/proc/meminfo").and_then(|text| free(&text)),
        own.as_ref().and_then(|(limits, status)| {
            under_limit(limits, "Max address space", status, "VmSize:")
        }),
        own.as_ref()
            .and_then(|(limits, status)| under_limit(limits, "Max data size", status, "VmData:")),
        read("/proc/self/cgroup").and_then(|text| of_groups(&text, Path::new("/sys/fs/cgroup"))),
    ];
    let least = |a: Available, b: Available| if b.bytes < a.bytes { b } else { a };
    bounds.into_iter().flatten().reduce(least)
}

/// The number after a name, at the start of a line of `/proc/meminfo` and the like, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024.0)
}

/// What the machine can give without swapping.
fn free(meminfo: &str) -> Option<Available> {
    Some(Available {
        bytes: kibibytes(meminfo, "MemAvailable:")?,
        bound: "is available",
    })
}

/// What a limit of this process leaves beyond what it has.
fn under_limit(limits: &str, name: &str, status: &str, used: &str) -> Option<Available> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let limit: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(Available {
        bytes: (limit - kibibytes(status, used)?).max(0.0),
        bound: "is left of the limit on this process (ulimit)",
    })
}

/// What the control groups of this process leave, of either version, their parents included.
fn of_groups(groups: &str, root: &Path) -> Option<Available> {
    let mut least: Option<f64> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(group)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (mounts, [limit, usage]) = if kinds.is_empty() {
            let names = ["memory.max", "memory.current"];
            ([root.to_owned(), root.join("unified")], names)
        } else if kinds.split(',').any(|kind| kind == "memory") {
            let names = ["memory.limit_in_bytes", "memory.usage_in_bytes"];
            ([root.join("memory"), root.to_owned()], names)
        } else {
            continue;
        };
        for mount in &mounts {
            // In a container the group may be named as the host knows it: then its root counts.
            for ancestor in Path::new(group.trim_start_matches('/')).ancestors() {
                let text = |name: &str| read_to_string(mount.join(ancestor).join(name)).ok();
                let number = |name: &str| -> Option<f64> { text(name)?.trim().parse().ok() };
                if let (Some(limit), Some(usage)) = (number(limit), number(usage)) {
                    let cached = text("memory.stat").map_or(0.0, |stat| reclaimable(&stat));
                    let left = (limit - (usage - cached).max(0.0)).max(0.0);
                    least = Some(least.map_or(left, |least| least.min(left)));
                }
            }
        }
    }
    Some(Available {
        bytes: least?,
        bound: "is left of the limit on its control group",
    })
}

/// Bytes that count as used and are given back when they are needed: files that were read once.
fn reclaimable(stat: &str) -> f64 {
    let names = ["total_inactive_file ", "inactive_file "];
    let line = |name: &&str| stat.lines().find_map(|line| line.strip_prefix(*name));
    let number = names.iter().find_map(line);
    number.map_or(0.0, |number| number.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_limit_on_the_process_leaves_what_it_does_not_have_yet() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max data size             unlimited            unlimited            bytes\n\
            Max address space         2147483648           unlimited            bytes\n";
        let status = "Name:\trankfall\nVmSize:\t  524288 kB\nVmData:\t 1024 kB\n";
        let left = under_limit(limits, "Max address space", status, "VmSize:");
        assert_eq!(left.map(|a| a.bytes), Some(1_610_612_736.0));
        assert_eq!(
            under_limit(limits, "Max data size", status, "VmData:"),
            None
        );
    }

    #[test]
    fn groups_of_both_versions_and_their_parents_count() {
        let root = tempfile::tempdir().unwrap();
        let write = |folder: &str, files: &[(&str, &str)]| {
            fs::create_dir_all(root.path().join(folder)).unwrap();
            for (name, text) in files {
                fs::write(root.path().join(folder).join(name), text).unwrap();
            }
        };
        write(
            "job",
            &[("memory.max", "1000\n"), ("memory.current", "300\n")],
        );
        write(
            "job/step",
            &[("memory.max", "max\n"), ("memory.current", "200\n")],
        );
        let left = of_groups("0::/job/step\n", root.path());
        assert_eq!(left.map(|a| a.bytes), Some(700.0));
        write("job", &[("memory.stat", "anon 90\ninactive_file 200\n")]);
        let left = of_groups("0::/job/step\n", root.path());
        assert_eq!(left.map(|a| a.bytes), Some(900.0), "files that were read");
        let older = [
            ("memory.limit_in_bytes", "500"),
            ("memory.usage_in_bytes", "450"),
        ];
        write("memory/job", &older);
        let both = of_groups("4:cpu,memory:/job\n0::/job\n", root.path());
        assert_eq!(both.map(|a| a.bytes), Some(50.0));
        let stat = "inactive_file 7\ntotal_inactive_file 40\n";
        write("memory/job", &[("memory.stat", stat)]);
        let older = of_groups("4:cpu,memory:/job\n", root.path());
        assert_eq!(
            older.map(|a| a.bytes),
            Some(90.0),
            "of groups below it as well"
        );
        assert_eq!(of_groups("3:cpuset:/\n", root.path()), None);
    }
}
