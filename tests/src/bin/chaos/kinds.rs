//! The kinds of faults, one for each word of what Phaseline has to survive.

use std::ops::RangeInclusive;

/// What is done to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    WorkerKilled,
    WorkerFrozen,
    RedisKilled,
    RedisPaused,
    RedisFull,
    RedisDemoted,
    ScriptsFlushed,
    ConsumerDeleted,
    StreamDeleted,
    ApiKilledInUpload,
    RedisBlackHole,
    RedisDelayed,
    RedisCut,
    ControllerBlackHole,
    ControllerDelayed,
    ControllerCut,
}

/// What two faults cannot have at the same time: the one would end the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    Process,
    RedisServer,
    WayToRedis,
    WayToController,
}

impl Kind {
    pub const ALL: [Kind; 16] = [
        Kind::WorkerKilled,
        Kind::WorkerFrozen,
        Kind::RedisKilled,
        Kind::RedisPaused,
        Kind::RedisFull,
        Kind::RedisDemoted,
        Kind::ScriptsFlushed,
        Kind::ConsumerDeleted,
        Kind::StreamDeleted,
        Kind::ApiKilledInUpload,
        Kind::RedisBlackHole,
        Kind::RedisDelayed,
        Kind::RedisCut,
        Kind::ControllerBlackHole,
        Kind::ControllerDelayed,
        Kind::ControllerCut,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::WorkerKilled => "worker killed",
            Kind::WorkerFrozen => "worker frozen",
            Kind::RedisKilled => "Redis killed",
            Kind::RedisPaused => "Redis paused",
            Kind::RedisFull => "Redis out of memory",
            Kind::RedisDemoted => "Redis demoted",
            Kind::ScriptsFlushed => "scripts flushed",
            Kind::ConsumerDeleted => "XGROUP DELCONSUMER",
            Kind::StreamDeleted => "work stream deleted",
            Kind::ApiKilledInUpload => "API killed in mid-upload",
            Kind::RedisBlackHole => "way to Redis: black hole",
            Kind::RedisDelayed => "way to Redis: delay",
            Kind::RedisCut => "way to Redis: cut before reply",
            Kind::ControllerBlackHole => "way to controller: black hole",
            Kind::ControllerDelayed => "way to controller: delay",
            Kind::ControllerCut => "way to controller: cut before reply",
        }
    }

    pub fn target(self) -> Target {
        match self {
            Kind::WorkerKilled | Kind::WorkerFrozen | Kind::ApiKilledInUpload => Target::Process,
            Kind::RedisKilled
            | Kind::RedisPaused
            | Kind::RedisFull
            | Kind::RedisDemoted
            | Kind::ScriptsFlushed
            | Kind::ConsumerDeleted
            | Kind::StreamDeleted => Target::RedisServer,
            Kind::RedisBlackHole | Kind::RedisDelayed | Kind::RedisCut => Target::WayToRedis,
            Kind::ControllerBlackHole | Kind::ControllerDelayed | Kind::ControllerCut => Target::WayToController,
        }
    }

    /// How long it lasts, milliseconds; of what happens in a moment, 0. A worker is frozen for less and for more than the 15 s after
    /// which its work is taken over; one whose way to Redis is a black hole likewise.
    pub fn lasts_ms(self) -> RangeInclusive<u64> {
        match self {
            Kind::WorkerFrozen => 1_000..=24_000,
            Kind::RedisKilled => 50..=3_000,
            Kind::RedisPaused => 500..=5_000,
            Kind::RedisFull | Kind::RedisDemoted => 500..=4_000,
            Kind::RedisBlackHole => 500..=20_000,
            Kind::ControllerBlackHole => 500..=8_000,
            Kind::RedisDelayed | Kind::ControllerDelayed => 1_000..=5_000,
            Kind::RedisCut | Kind::ControllerCut => 200..=2_000,
            Kind::WorkerKilled
            | Kind::ScriptsFlushed
            | Kind::ConsumerDeleted
            | Kind::StreamDeleted
            | Kind::ApiKilledInUpload => 0..=0,
        }
    }
}
