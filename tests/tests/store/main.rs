//! The store's connection against a real Redis in trouble: what is waited out, what is mended, and what is told apart.

#![allow(clippy::print_stdout, reason = "figures for whoever reads the test's output")]

mod cluster;
mod durable;
mod figures;
mod fit;
mod lists;
mod names;
mod scripted;
mod sentinel;
mod submit;
mod tasks;
mod tls;
mod trouble;
mod world;
