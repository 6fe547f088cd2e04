//! What is taken, what is refused, and how it is said.

use super::*;

fn with(pairs: &[(&str, &str)]) -> Result<Settings, ConfigFaults> {
    let key = Sealer::generate_key();
    let mut all = vec![("PAYLOAD_KEY", key.as_str())];
    all.extend_from_slice(pairs);
    Settings::from_pairs(&all)
}

#[test]
fn defaults_are_the_documented_ones() {
    let s = with(&[]).unwrap();
    assert_eq!(s.redis.url.as_str(), "redis://127.0.0.1:6379/1");
    assert_eq!(s.engine.poll_give_up(), Duration::from_secs(180));
    assert_eq!(s.engine.settled_within(), Duration::from_secs(540));
    assert!(s.engine.lease() + s.engine.http_timeout() < s.engine.lock_ttl);
}

#[test]
fn every_faulty_variable_is_named_and_no_secret_shown() {
    let e = with(&[
        ("LOCK_TTL", "5"),
        ("REDIS_PORT", "x"),
        ("AUTH_JWT_SECRET", "hunter2"),
        ("TASK_MAX_RETRIES", "1.5"),
    ])
    .unwrap_err()
    .to_string();
    for name in ["LOCK_TTL=5", "REDIS_PORT=x", "AUTH_JWT_SECRET", "TASK_MAX_RETRIES"] {
        assert!(e.contains(name), "{name} missing in {e}");
    }
    assert!(!e.contains("hunter2"));
}

#[test]
fn a_password_stays_as_it_is_and_is_not_shown() {
    let s = with(&[("REDIS_PASSWORD", "007@:/")]).unwrap();
    assert_eq!(s.redis.url.as_str(), "redis://:007%40%3A%2F@127.0.0.1:6379/1");
    assert!(!format!("{s:?}").contains("007"));
}

#[test]
fn the_form_kubernetes_injects_is_taken() {
    let s = with(&[("REDIS_PORT", "tcp://10.1.2.3:6380")]).unwrap();
    assert_eq!(s.redis.url.as_str(), "redis://10.1.2.3:6380/1");
}

#[test]
fn an_ipv6_host_may_stand_without_brackets() {
    for host in ["::1", "[::1]"] {
        let s = with(&[("REDIS_HOST", host), ("REDIS_PASSWORD", "a:b")]).unwrap();
        assert_eq!(s.redis.url.as_str(), "redis://:a%3Ab@[::1]:6379/1");
    }
}

#[test]
fn an_empty_variable_does_not_hide_the_file() {
    let key = Sealer::generate_key();
    let file = format!("redis_host = \"db\"\nworker_slots = 7\nlock_ttl = 20\npayload_key = \"{key}\"\n");
    let set = [("REDIS_HOST", ""), ("WORKER_SLOTS", ""), ("LOCK_TTL", "30")];
    let set = set.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
    let built = Config::builder()
        .add_source(File::from_str(&file, FileFormat::Toml))
        .add_source(environment().source(Some(set)))
        .build()
        .unwrap();
    let s = Settings::read(built).unwrap();
    assert_eq!(s.redis.url.as_str(), "redis://db:6379/1");
    assert_eq!((s.engine.slots, s.engine.lock_ttl), (7, Duration::from_secs(30)));
}

#[test]
fn more_slots_than_partitions_are_needed() {
    let of = |slots, partitions| with(&[("WORKER_SLOTS", slots), ("PARTITIONS", partitions)]);
    assert!(of("5", "4").is_ok());
    for (slots, partitions) in [("4", "4"), ("1", "1"), ("64", "100")] {
        let e = of(slots, partitions).unwrap_err().to_string();
        assert!(e.contains("WORKER_SLOTS") && e.contains("PARTITIONS"), "{e}");
    }
}

#[test]
fn without_a_payload_key_there_is_no_start() {
    assert!(
        Settings::from_pairs(&[])
            .unwrap_err()
            .to_string()
            .contains("PAYLOAD_KEY")
    );
}

#[test]
fn sentinels_take_everything_but_the_address_from_the_other_settings() {
    let s = with(&[
        ("REDIS_SENTINELS", "s1:26379, [::1]:26380"),
        ("REDIS_SENTINEL_PASSWORD", "sesame"),
        ("REDIS_PASSWORD", "open"),
    ])
    .unwrap();
    let Topology::Sentinel(of) = &s.redis.topology else {
        panic!("{:?}", s.redis)
    };
    assert_eq!(of.sentinels, [("s1".to_owned(), 26379), ("::1".to_owned(), 26380)]);
    assert_eq!((of.master.as_str(), s.engine.partitions), ("mymaster", 1));
    assert_eq!(s.redis.url.as_str(), "redis://:open@127.0.0.1:6379/1");
    let shown = format!("{s:?}");
    assert!(
        shown.contains("s1:26379") && !shown.contains("sesame") && !shown.contains("open@"),
        "{shown}"
    );
}

#[test]
fn a_cluster_has_sixteen_partitions_and_database_0() {
    let s = with(&[("REDIS_CLUSTER_NODES", "a:7000,b:7001")]).unwrap();
    assert_eq!(
        (s.engine.partitions, s.redis.url.as_str()),
        (16, "redis://127.0.0.1:6379/0")
    );
    let few = with(&[("REDIS_CLUSTER_NODES", "a:7000"), ("PARTITIONS", "3")]).unwrap();
    assert_eq!(few.engine.partitions, 3);
    for (name, value) in [("REDIS_DB", "1"), ("REDIS_URL", "redis://:pass@a:7000/2")] {
        let e = with(&[("REDIS_CLUSTER_NODES", "a:7000"), (name, value)])
            .unwrap_err()
            .to_string();
        assert!(
            e.contains(name) && e.contains("database 0") && !e.contains("pass"),
            "{e}"
        );
        assert_eq!(e.lines().count(), 1, "{e}");
    }
    let e = with(&[("REDIS_CLUSTER_NODES", "a:7000"), ("WORKER_SLOTS", "16")]).unwrap_err();
    assert!(e.to_string().contains("PARTITIONS=16"), "{e}");
}

#[test]
fn a_list_of_nodes_is_read_strictly() {
    for bad in ["a", "a:0", "a:x", "a:1;b:2", "::1:7000", "redis://a:1", ","] {
        let e = with(&[("REDIS_SENTINELS", bad)]).unwrap_err().to_string();
        assert!(e.contains("REDIS_SENTINELS="), "{bad}: {e}");
    }
    let both = [("REDIS_SENTINELS", "a:1"), ("REDIS_CLUSTER_NODES", "b:2")];
    assert!(with(&both).unwrap_err().to_string().contains("one of them"));
}

#[test]
fn tls_is_asked_for_in_one_place_and_its_files_are_read() {
    assert_eq!(
        with(&[("REDIS_TLS", "true")]).unwrap().redis.url.as_str(),
        "rediss://127.0.0.1:6379/1"
    );
    let user = with(&[("REDIS_USERNAME", "phase"), ("REDIS_PASSWORD", "a b")]).unwrap();
    assert_eq!(user.redis.url.as_str(), "redis://phase:a%20b@127.0.0.1:6379/1");
    let e = with(&[("REDIS_TLS", "true"), ("REDIS_TLS_CA_FILE", "/nowhere/ca.pem")]).unwrap_err();
    assert!(
        e.to_string()
            .contains("REDIS_TLS_CA_FILE=/nowhere/ca.pem can't be read"),
        "{e}"
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let e = with(&[("REDIS_TLS_CA_FILE", path)]).unwrap_err();
    assert!(e.to_string().contains("TLS is not"), "{e}");
    assert!(with(&[("REDIS_URL", "rediss://h/1"), ("REDIS_TLS_CA_FILE", path)]).is_ok());
    let e = with(&[("REDIS_TLS", "true"), ("REDIS_TLS_CERT_FILE", path)]).unwrap_err();
    assert!(e.to_string().contains("set together"), "{e}");
}

#[test]
fn what_an_acceptance_waits_for() {
    let of = |value| with(&[("SUBMIT_DURABILITY", value), ("SUBMIT_REPLICAS", "2")]).map(|s| s.redis.durability);
    let within = Duration::from_secs(1);
    assert_eq!(with(&[]).unwrap().redis.durability, SubmitDurability::Accepted);
    assert_eq!(
        of("replicated").unwrap(),
        SubmitDurability::Replicated { replicas: 2, within }
    );
    assert_eq!(of("fsynced").unwrap(), SubmitDurability::Fsynced { within });
    assert!(
        of("safe")
            .unwrap_err()
            .to_string()
            .contains("accepted, replicated or fsynced")
    );
}
