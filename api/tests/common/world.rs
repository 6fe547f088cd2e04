//! A Redis server, its store, and an application on it that asks for tokens.

use api::auth::Verifier;
use api::body::BodyLimits;
use api::server::Parts;
use shared::store::Store;

use crate::common::{self, SECRET};
use crate::redis::Redis;

pub struct World {
    pub redis: Redis,
    pub store: Store,
    pub parts: Parts,
}

pub async fn world() -> World {
    let redis = Redis::start(&[]);
    let settings = common::settings(redis.port);
    let store = Store::open(&settings.redis, &settings.engine).unwrap();
    store.prepare(&settings.redis).await.unwrap();
    let verifier = Verifier::tokens(Some(SECRET), None).unwrap();
    let parts = common::parts(&settings, store.clone(), verifier, BodyLimits::default());
    parts.state.set_prepared();
    World { redis, store, parts }
}
