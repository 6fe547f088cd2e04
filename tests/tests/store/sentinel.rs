//! Sentinels that are away, know nothing, or name the wrong server.

use shared::config::Settings;
use shared::seal::Sealer;
use shared::store::{Store, StoreError};
use testkit::redis_group::follow;
use testkit::redis_server::RedisServer;

use crate::scripted::{array, bulk, scripted};
use crate::world::{Address, recovers, server, write};

/// A sentinel that names this port; none: it knows no master of that name. Its address.
async fn sentinel(names: Option<u16>) -> String {
    let url = scripted(move |words| match (words[0].to_ascii_uppercase().as_str(), names) {
        ("SENTINEL", Some(port)) => Some(array(&[bulk("127.0.0.1"), bulk(&port.to_string())])),
        ("SENTINEL", None) => Some("*-1\r\n".into()),
        _ => None,
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

fn store(sentinels: &[&str]) -> Store {
    let s = settings(sentinels);
    Store::open(&s.redis, &s.engine).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_master_is_believed_to_be_one() {
    let (master, replica) = (server(), server());
    follow(&replica, &master).unwrap();
    let gone = RedisServer::start(Default::default()).unwrap();
    let away = format!("127.0.0.1:{}", gone.port());
    drop(gone);
    let (stale, ignorant, right) = (
        sentinel(Some(replica.port())).await,
        sentinel(None).await,
        sentinel(Some(master.port())).await,
    );
    let s = settings(&[&away, &stale, &ignorant, &right]);
    let store_of_all = Store::open(&s.redis, &s.engine).unwrap();
    store_of_all.prepare(&s.redis).await.unwrap();
    write(&store_of_all).await.unwrap();

    let e = write(&store(&[&away, &stale, &ignorant])).await.unwrap_err();
    assert!(e.is_transient(), "{e}");
    for word in [
        "no sentinel leads to a master",
        "it is a slave",
        "knows no master mymaster",
    ] {
        assert!(e.to_string().contains(word), "{word}: {e}");
    }
}

/// The server at the address becomes another's replica while it has no reason to close a connection, and the sentinels know.
#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_master_is_left_for_the_one_that_is_named() {
    let (old, new) = (server(), server());
    // one name for both, as the sentinel's answer would change
    let address = Address::of(&old).await;
    let named = sentinel(Some(address.port)).await;
    let store = store(&[&named]);
    write(&store).await.unwrap();
    follow(&old, &new).unwrap();
    address.point_to(&new);
    recovers("a demotion", || write(&store)).await;
    let there = testkit::harness::resp::Resp::connect(new.port())
        .unwrap()
        .call(&["EXISTS", "workflow:{p0}:workers"]);
    assert_eq!(there.unwrap().text(), "1", "the new master has it");
}

#[tokio::test]
async fn wrong_credentials_at_the_master_are_no_outage() {
    let master = server();
    let mut c = testkit::harness::resp::Resp::connect(master.port()).unwrap();
    c.call(&["CONFIG", "SET", "requirepass", "right"]).unwrap();
    let named = sentinel(Some(master.port())).await;
    let e = write(&store(&[&named])).await.unwrap_err();
    assert!(
        matches!(&e, StoreError::Server(text) if text.contains("refuses our credentials")),
        "{e:?}"
    );
}
