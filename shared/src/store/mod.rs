//! The only door to Redis. Hot operations in `jobs`, `stream`, `limits`; cold, read-only ones in `inspect`.

pub mod keys;
