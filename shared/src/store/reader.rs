//! The blocking read of the work stream, on a connection of its own.
//!
//! Never cancelled: a read that is dropped while it blocks stays alive on the server, and what it is given later is delivered to
//! nobody. To stop, let the block run out.

use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::keys::{GROUP, Partition};
use super::routed::Redis;
use super::{Store, StoreError};
use crate::id::WorkerId;

/// Short enough that a stopping worker does not wait long, long enough to cost nothing.
pub const BLOCK: Duration = Duration::from_millis(2000);

#[derive(Debug)]
pub enum Read {
    /// Id of an entry now delivered to this worker.
    Entry(String),
    Nothing,
    /// The stream or its group is gone: make it again and look for lost work.
    NoGroup,
}

/// One blocking reader of one partition.
pub struct Reader {
    connection: MultiplexedConnection,
    redis: Redis,
    partition: Partition,
    worker: WorkerId,
}

impl Store {
    /// A fresh connection for reading. Entries delivered to an earlier one may wait in [`Store::own_pending`].
    pub async fn reader(&self, partition: Partition, worker: &WorkerId) -> Result<Reader, StoreError> {
        let connection = self.redis.dedicated(partition, BLOCK).await?;
        Ok(Reader {
            connection,
            redis: self.redis.clone(),
            partition,
            worker: worker.clone(),
        })
    }
}

impl Reader {
    /// Waits up to [`BLOCK`] for one entry. After an error the reader is of no use any more.
    pub async fn next(&mut self) -> Result<Read, StoreError> {
        let reply: Result<Value, redis::RedisError> = redis::cmd("XREADGROUP")
            .arg("GROUP")
            .arg(GROUP)
            .arg(self.worker.as_str())
            .arg("COUNT")
            .arg(1) // a batch takes seconds: one at a time goes to whoever has a free slot
            .arg("BLOCK")
            .arg(BLOCK.as_millis() as u64)
            .arg("STREAMS")
            .arg(self.partition.key("work"))
            .arg(">")
            .query_async(&mut self.connection)
            .await;
        match reply {
            Ok(v) => Ok(first_id(&v).map_or(Read::Nothing, Read::Entry)),
            Err(e) => {
                let text = e.to_string();
                if text.contains("NOGROUP") || text.contains("the stream key no longer exists") {
                    return Ok(Read::NoGroup);
                }
                self.redis.doubt(self.partition).await;
                Err(StoreError::from(e))
            }
        }
    }
}

/// RESP3: `{stream: [[id, fields]]}`; RESP2: `[[stream, [[id, fields]]]]`; nil when nothing came.
fn first_id(v: &Value) -> Option<String> {
    let entries = match v {
        Value::Map(streams) => &streams.first()?.1,
        Value::Array(streams) => match streams.first()? {
            Value::Array(stream) => stream.get(1)?,
            _ => return None,
        },
        _ => return None,
    };
    let Value::Array(entries) = entries else { return None };
    let Value::Array(entry) = entries.first()? else {
        return None;
    };
    match entry.first()? {
        Value::BulkString(b) => Some(String::from_utf8_lossy(b).into_owned()),
        _ => None,
    }
}
