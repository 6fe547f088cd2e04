//! The server's own trouble: no memory, a forgotten script cache, and the slots of a cluster.

use std::rc::Rc;
use std::time::{Duration, Instant};

use testkit::redis_server::{Options, RedisServer};

use crate::args;
use crate::bench::{Bench, server, submit_args};
use crate::proto::*;

const LANE: &str = "t|1";

/// What brings new data is refused whole; what finishes or steers work goes through.
#[test]
fn out_of_memory() {
    let server = server();
    let mut x = Bench::real(&server);
    x.planned("j", LANE, "", 30, 5).unwrap();
    x.submit("planning", "t|2", &[("a", "", "")]);
    let mut units = x.take_all("w");
    let plan = units.pop().unwrap();
    assert_eq!((plan.b, units.len()), (-1, 6));
    x.p.cmd(&args!["CONFIG", "SET", "maxmemory", 1]);

    let before = x.p.keys("*");
    let a = submit_args(
        "new",
        LANE,
        &[("a", "", "")],
        "key",
        "hash",
        "PENDING",
        &args!["budget_s", 600],
    );
    let refused = x.p.try_call("submit", &a).unwrap_err().to_string();
    assert!(refused.contains("OOM"), "{refused}");
    assert_eq!(x.p.keys("*").len(), before.len(), "nothing of the refused job is left");
    let put =
        x.p.try_call("plan_put", &args!["planning", "a", plan.token, 0, "rows", ""])
            .unwrap_err()
            .to_string();
    assert!(put.contains("OOM"), "{put}");

    assert_eq!(x.checkpoint(&units[0], 0, r#"{"s":"A","q":"r"}"#), "OK");
    assert_eq!(x.park(&units[0], 0, &[(1, r#"{"s":"A","q":"r"}"#)]), "OK");
    assert_eq!(x.heartbeat(&units[1]), "OK");
    assert_eq!(x.release(&units[1]), "OK");
    assert_eq!(text(&x.p.call("group_exists", &[])), "1");
    assert_eq!(text(&x.p.call("lane_rate", &args![LANE, "2.500"])), "OK");
    assert_eq!(text(&x.p.call("job_waits", &args!["gone", "{}"])), "0");
    assert_eq!(text(&x.p.call("job_waits", &args!["j", "{}"])), "1");
    assert_eq!(x.p.hash(&key("cfg"))[&format!("rate:{LANE}")], "2.500");
    assert_eq!(
        text(&x.p.call("job_limits", &args!["j", "polling", "gone", "polling"])),
        "1"
    );
    assert_eq!(
        x.p.keys("*gone*"),
        Vec::<String>::new(),
        "a job that is gone is not made"
    );
    let listed = x.p.try_on("workflow:polls", "poll_list", &args!["c:host|tenant", 1]);
    assert_eq!(text(&listed.unwrap()), "1");
    x.done(&units[2], 5).unwrap();
    x.tick();
    assert_eq!(x.steer("j", "cancel"), "DONE CANCELLING");
    for u in &units[3..] {
        assert_eq!(x.complete(u, [2, 0, 0, 0, 3]), "OK");
    }
    for u in x.take_all("w") {
        assert_eq!(x.complete(&u, [1, 0, 0, 0, 4]), "OK");
    }
    assert_eq!(x.status("j"), "CANCELLED");

    x.p.cmd(&args!["CONFIG", "SET", "maxmemory", 0]);
    assert_eq!(texts(&x.p.call("submit", &a)), vec!["OK", "new"]);
    x.plan(&plan, 5, 5).unwrap();
}

#[test]
fn a_flushed_script_cache_is_filled_again() {
    let server = server();
    let mut x = Bench::real(&server);
    x.planned("j", LANE, "", 20, 5).unwrap();
    for _ in 0..4 {
        x.p.cmd(&args!["SCRIPT", "FLUSH"]);
        let u = x.take("w").unwrap();
        x.p.cmd(&args!["SCRIPT", "FLUSH"]);
        x.done(&u, 5).unwrap();
    }
    assert_eq!(x.status("j"), "COMPLETED");
}

fn cluster() -> RedisServer {
    let server = RedisServer::start(Options {
        cluster: true,
        ..Options::default()
    })
    .expect("redis-server");
    let mut con = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    redis::cmd("CLUSTER")
        .arg("ADDSLOTSRANGE")
        .arg(0)
        .arg(16383)
        .exec(&mut con)
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let info: String = redis::cmd("CLUSTER").arg("INFO").query(&mut con).unwrap();
        if info.contains("cluster_state:ok") {
            return server;
        }
        assert!(Instant::now() < deadline, "{info}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Every script of the product stays in its slot: on a cluster node another slot's key is an error.
#[test]
fn every_script_stays_in_its_slot() {
    let server = cluster();
    let scripts = Rc::new(Scripts::real());
    let mut x = Bench::on(&server, scripts.clone());
    x.submit("j", LANE, &[("a", "", "c"), ("b", "a", "s"), ("c", "b", "")]);
    let u = x.take("w").unwrap();
    x.plan(&u, 20, 5).unwrap();
    let units = x.take_all("w");
    x.checkpoint(&units[0], 0, r#"{"s":"A","q":"r"}"#);
    x.park(&units[0], 60_000, &[(1, r#"{"s":"D"}"#)]);
    assert_eq!(x.wake(&units[0], 0), "1");
    assert_eq!(x.heartbeat(&units[1]), "OK");
    assert_eq!(x.release(&units[1]), "OK");
    x.p.call("cool", &args![LANE, 50]);
    x.p.call("cool", &args![LANE, 0]);
    assert_eq!(
        text(&x.p.call("job_limits", &args!["j", "polling", "gone", "polling"])),
        "1"
    );
    x.p.call("lane_rate", &args![LANE, "33.000"]);
    assert_eq!(text(&x.p.call("job_waits", &args!["j", "{}"])), "1");
    assert_eq!(text(&x.p.call("job_waits", &args!["j", ""])), "1");
    assert_eq!(text(&x.p.call("group_exists", &[])), "1");
    x.p.call("figures", &args![200]);
    x.p.call("checks", &args![5_000, 10]);
    x.p.call("drain", &args!["w"]);
    let u = x.take("w").unwrap();
    assert_eq!(texts(&x.p.call("requeue", &args![u.job, u.ph, u.b])), ["OK", "R"]);
    x.steer("j", "pause");
    x.p.call("reconcile", &args!["j"]);
    x.steer("j", "resume");
    for u in &units[2..] {
        x.done(u, 5).unwrap();
    }
    for u in x.take_all("w") {
        x.done(&u, 5).unwrap();
    }
    let u = x.take("w").unwrap();
    x.plan(&u, 10, 5).unwrap();
    for _ in 0..2 {
        let u = x.take("w").unwrap();
        x.done(&u, 5).unwrap();
    }
    let u = x.take("w").unwrap();
    x.p.call("plan_fail", &args!["j", "c", u.token, "{}", "why"]);
    x.tick();
    x.p.call("reap", &args![0]);
    assert_eq!(x.status("j"), "PARTIAL");

    let l = "workflow:{c:host|tenant}:";
    for (name, a) in [
        ("lim_acquire", args!["w", 5, 0, 5, 1000, 33, 17, 50]),
        ("lim_report", args![0, 20, 10, 5]),
        ("poll_add", args!["r1", "0|j|a|0|1"]),
        ("poll_lease", args!["w", 1000]),
        ("poll_settle", args!["r1", "{}"]),
        ("names_claim", args!["j|a", 1000, 1000, 0, 1, "n", "n"]),
        ("names_release", args!["j|a", "n"]),
    ] {
        x.p.try_on(l, name, &a).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let listed = x.p.try_on("workflow:polls", "poll_list", &args!["c:host|tenant", 1]);
    assert_eq!(text(&listed.unwrap()), "1");
    assert_eq!(x.p.called, scripts.names(), "every script has been run");
}

/// And the test above would notice: a script that touches another slot is refused there.
#[test]
fn another_slot_is_an_error() {
    let server = cluster();
    let wrong = Scripts::edited(|file, text| match file {
        "release.lua" => format!("call('SET', 'workflow:{{p1}}:x', 1)\n{text}"),
        _ => text,
    });
    let mut x = Bench::on(&server, Rc::new(wrong));
    x.planned("j", LANE, "", 5, 5).unwrap();
    let u = x.take("w").unwrap();
    let e =
        x.p.try_call("release", &args![u.job, u.ph, u.b, u.token])
            .unwrap_err()
            .to_string();
    assert!(e.contains("slot"), "{e}");
}
