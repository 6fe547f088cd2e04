//! The store's connection against a real Redis in trouble: what is waited out, what is mended, and what is told apart.

mod figures;
mod fit;
mod trouble;
mod world;
