//! What a process uses of the machine, and on which core it may run.

use std::path::Path;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// The core of everything that is measured where one core is the budget.
pub(crate) const CORE_MEASURED: usize = 0;
/// The core of the servers then.
pub(crate) const CORE_SERVERS: usize = 1;

/// Keeps the calling thread, and what it starts from now on, on one core. On a machine with a single core nothing is changed.
pub(crate) fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core).expect("a core's number");
    // Without a second core everybody shares the first one; the table says how many there are.
    let _ = sched_setaffinity(Pid::from_raw(0), &cores);
}

/// Processor time of the whole of this process in nanoseconds, its threads that live added up.
pub(crate) fn cpu_nanos() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a list of threads");
    tasks.flatten().map(|task| first_number(&task.path().join("schedstat"))).sum()
}

fn first_number(path: &Path) -> u64 {
    // A thread may have ended since the list was read.
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Resident memory of this process in KiB: now, and the most since [`forget_peak`].
pub(crate) fn memory_kib() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a figure");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// From here on the most memory is counted anew.
pub(crate) fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("a counter");
}
