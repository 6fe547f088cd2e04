//! Shared between the API and the workers.
