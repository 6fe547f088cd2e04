//! Tests over whole requests. Small ones of one function stand beside it.

mod corrections;
mod faults;
mod mapping;
mod networks;
mod policies;
mod refusals;
mod samples;
mod stream;
