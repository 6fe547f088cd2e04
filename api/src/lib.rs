//! API library.
