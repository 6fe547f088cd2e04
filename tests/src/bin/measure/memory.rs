//! Peak memory of a process, and what a job leaves in Redis.

use anyhow::Context;
use testkit::harness::resp::{Reply, Resp};

/// `VmHWM`: the most a process ever had resident, MiB.
pub fn peak_mib(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok())
        .with_context(|| format!("{path} tells no VmHWM"))?;
    Ok(kib.div_ceil(1024))
}

/// `MEMORY USAGE` of all keys of a job, and how many there are.
pub fn job_bytes(redis: &mut Resp, job: &str) -> anyhow::Result<(u64, usize)> {
    let keys = keys_of(redis, job)?;
    let mut bytes = 0;
    for key in &keys {
        if let Reply::Int(n) = redis.call(&["MEMORY", "USAGE", key, "SAMPLES", "0"])? {
            bytes += u64::try_from(n).unwrap_or_default();
        }
    }
    Ok((bytes, keys.len()))
}

fn keys_of(redis: &mut Resp, job: &str) -> anyhow::Result<Vec<String>> {
    let (mut cursor, mut keys) = ("0".to_owned(), Vec::new());
    loop {
        let reply = redis.call(&["SCAN", &cursor, "MATCH", &format!("*jobs:{job}*"), "COUNT", "1000"])?;
        let [next, found] = reply.list() else {
            anyhow::bail!("SCAN answers {reply:?}");
        };
        keys.extend(found.list().iter().map(Reply::text));
        cursor = next.text();
        if cursor == "0" {
            // SCAN may tell a key twice
            keys.sort_unstable();
            keys.dedup();
            return Ok(keys);
        }
    }
}

/// A field of `INFO memory`, MiB.
pub fn info_mib(redis: &mut Resp, field: &str) -> anyhow::Result<u64> {
    let info = redis.call(&["INFO", "memory"])?.text();
    let value = info
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let bytes: u64 = value
        .and_then(|value| value.trim().parse().ok())
        .with_context(|| format!("INFO memory tells no {field}"))?;
    Ok(bytes.div_ceil(1024 * 1024))
}
