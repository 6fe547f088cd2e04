//! Sentinels that are away, know nothing, or name the wrong server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};

use shared::config::Settings;
use shared::seal::Sealer;
use shared::store::{Store, StoreError};
use testkit::harness::resp::Resp;
use testkit::redis_group::{Watched, follow};
use testkit::redis_server::RedisServer;

use crate::scripted::{array, bulk, scripted};
use crate::world::{recovers, server, write};

/// What a sentinel of ours says: the port of the master (0: it knows none), and of which failover it has heard.
type Says = Arc<(AtomicU16, u64)>;

fn says(port: u16, epoch: u64) -> Says {
    Arc::new((AtomicU16::new(port), epoch))
}

/// Its address.
async fn sentinel(says: &Says) -> String {
    let says = says.clone();
    let url = scripted(move |words| {
        let port = says.0.load(SeqCst);
        match (words[0].as_str(), port) {
            ("SENTINEL", 0) => Some("-ERR No such master with that name\r\n".into()),
            ("SENTINEL", port) => {
                let fields = [
                    "ip",
                    "127.0.0.1",
                    "port",
                    &port.to_string(),
                    "config-epoch",
                    &says.1.to_string(),
                ];
                Some(array(&fields.map(bulk)))
            }
            _ => None,
        }
    });
    let url = url.await;
    url.trim_start_matches("redis://").trim_end_matches("/0").to_owned()
}

fn settings(sentinels: &[&str]) -> Settings {
    let key = Sealer::generate_key();
    let list = sentinels.join(",");
    let pairs = [
        ("PAYLOAD_KEY", key.as_str()),
        ("REDIS_SENTINELS", &list),
        ("REDIS_DB", "0"),
    ];
    Settings::from_pairs(&pairs).unwrap()
}

/// Whether somebody has written there.
fn has_workers(server: &RedisServer) -> bool {
    let there = Resp::connect(server.port())
        .unwrap()
        .call(&["EXISTS", "workflow:{p0}:workers"]);
    there.unwrap().text() == "1"
}

fn store(sentinels: &[&str]) -> Store {
    let s = settings(sentinels);
    Store::open(&s.redis, &s.engine).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_master_is_believed_to_be_one() {
    let (master, replica) = (server(), server());
    follow(&replica, &master).unwrap();
    let gone = server();
    let away = format!("127.0.0.1:{}", gone.port());
    drop(gone);
    let (stale, ignorant, right) = (
        sentinel(&says(replica.port(), 9)).await,
        sentinel(&says(0, 0)).await,
        sentinel(&says(master.port(), 1)).await,
    );
    let s = settings(&[&away, &stale, &ignorant, &right]);
    let store_of_all = Store::open(&s.redis, &s.engine).unwrap();
    store_of_all.prepare(&s.redis).await.unwrap();
    write(&store_of_all).await.unwrap();

    let e = write(&store(&[&away, &stale, &ignorant])).await.unwrap_err();
    assert!(e.is_transient(), "{e}");
    for word in ["no sentinel leads to a master", "it is a slave", "No such master"] {
        assert!(e.to_string().contains(word), "{word}: {e}");
    }
    let e = write(&store(&[&ignorant])).await.unwrap_err();
    assert!(matches!(e, StoreError::Server(_)), "no waiting helps: {e}");
}

/// Both call themselves masters: the one from before the failover has been started anew, and nobody has told it yet.
#[tokio::test(flavor = "multi_thread")]
async fn who_knows_of_the_latest_failover_is_believed() {
    let (old, new) = (server(), server());
    let (late, early) = (
        sentinel(&says(old.port(), 3)).await,
        sentinel(&says(new.port(), 4)).await,
    );
    for order in [[&late, &early], [&early, &late]] {
        write(&store(&order.map(String::as_str))).await.unwrap();
    }
    assert_eq!((has_workers(&old), has_workers(&new)), (false, true));
}

/// While nothing was asked of it the master died, another was named, and the old one came back at its address, a master as it believes.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_broke_unnoticed_is_not_mended_where_it_was() {
    let (mut old, new) = (server(), server());
    let word = says(old.port(), 1);
    let store = store(&[&sentinel(&word).await]);
    write(&store).await.unwrap();
    word.0.store(new.port(), SeqCst);
    old.restart().unwrap();
    Resp::connect(old.port()).unwrap().call(&["FLUSHALL"]).unwrap();
    recovers("a restart", || write(&store)).await;
    assert_eq!((has_workers(&old), has_workers(&new)), (false, true));
}

/// It takes bytes and answers nothing; the sentinels give it up, and it wakes as somebody's replica.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_master_is_left_behind() {
    let redis = Watched::start(1).unwrap();
    let list = redis.addresses();
    let store = store(&[&list]);
    write(&store).await.unwrap();
    redis.servers[0].pause().unwrap();
    recovers("a frozen master", || write(&store)).await;
    assert_eq!(redis.other_master(0).unwrap(), 1);
    redis.servers[0].resume().unwrap();
    redis.demoted(0).unwrap();
    write(&store).await.unwrap();
}

/// The master becomes another's replica and has no reason to close a connection; the sentinels know.
#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_master_is_left_for_the_one_that_is_named() {
    let (old, new) = (server(), server());
    let word = says(old.port(), 1);
    let store = store(&[&sentinel(&word).await]);
    write(&store).await.unwrap();
    word.0.store(new.port(), SeqCst);
    follow(&old, &new).unwrap();
    assert!(!has_workers(&new));
    recovers("a demotion", || write(&store)).await;
    assert!(has_workers(&new));
}

#[tokio::test]
async fn wrong_credentials_at_the_master_are_no_outage() {
    let master = server();
    let mut c = Resp::connect(master.port()).unwrap();
    c.call(&["CONFIG", "SET", "requirepass", "right"]).unwrap();
    let named = sentinel(&says(master.port(), 1)).await;
    let e = write(&store(&[&named])).await.unwrap_err();
    assert!(
        matches!(&e, StoreError::Server(text) if text.contains("refuses our credentials")),
        "{e:?}"
    );
}
