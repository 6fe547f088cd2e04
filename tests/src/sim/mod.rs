//! A simulator of RUCKUS One, written from the vendor's documents and from what was seen on live systems, importing nothing of ours.
//!
//! By hand:
//! ```text
//! $ cargo run -p testkit --bin simulator -- --bind 127.0.0.1:8090
//! simulator listening on http://127.0.0.1:8090
//! $ curl -s -d grant_type=client_credentials -d client_id=me -d client_secret=sim-secret http://127.0.0.1:8090/oauth2/token/t1
//! {"access_token":"sim.…","token_type":"Bearer","expires_in":7199}
//! $ curl -s -H "authorization: Bearer sim.…" -H 'content-type: application/json' -d '{"name":"Guests"}' http://127.0.0.1:8090/identityGroups
//! {"requestId":"…","id":"…"}
//! $ curl -s 'http://127.0.0.1:8090/_sim/ledger?tenant=t1'
//! ```
//! In a test: `Simulator::start(Settings::quick())` gives a [`Handle`] with its `base_url`.
//!
//! **What a client meets.** Any tenant, made at its first use (`x-rks-tenantid` chooses another than the token's), with the venue
//! `venue-sim-1`, "Main Campus", whose default AP group is `venue-sim-1-default`. A token bucket per tenant (2000 calls a minute, 34 at once); writes take 40 ms, reads 20 ms.
//! A write is checked and, if accepted, carried out when it *arrives*: the name is taken from then on, the 202 comes after the
//! latency, and the object can be read when the activity ends, 0.3 to 1 s later. The traps are described where they are: `ops`,
//! `settings` (each can be set), `faults` (the fault plan).
//!
//! **What a test sees**, below `/_sim`, without a token:
//!
//! | call | answer |
//! |---|---|
//! | `GET ledger?tenant=` | every live object with all its fields, passphrase values included, and how many are in flight; links and activations are rows of their own (`network_pools`, `activations`), policies of a set and what it is assigned to are in its row |
//! | `GET counts?tenant=` | calls by operation and status, `writes` `reads` `polls` `http_429` `max_concurrent` `token_grants`, series by minute, faults injected, `refused_creates` (by cause), `existing_twice`, `duplicates` (their sum), `relinks` (by cause), `ap_pushes` (by kind of change) |
//! | `GET ideal?tenant=` | seconds an ideal client needs for what the ledger holds |
//! | `GET health` | 200 |
//! | `GET`, `POST settings` | the settings; POST changes those named |
//! | `POST reset?tenant=&what=counts` | forgets everything, or only what was counted |
//! | `POST seed` | puts, changes and deletes objects (see `seed`) |
//! | `POST faults` | replaces the fault plan |
//! | `POST down {"down":true,"mode":"cut"}` | connections are closed without an answer, or `"mode":"503"` |
//! | `POST freeze {"freeze":true}` | calls hang until `false` |
//!
//! Types that hold passphrases, tokens or the client secret have no `Debug` on purpose.
//!
//! Without `tenant=`, several tenants are added up (`ideal`: the slowest).
//!
//! *Refused creates* are counted when they are attempted: every create whose name exists or is in flight, whatever answer it gets.
//! Causes: `existed`, `in_flight`, and `after_cut` when the first create's reply was cut by the fault plan after it was accepted.
//!
//! *Relinks* are links, assignments, places in sets, conditions and activations asked for although they were there: no duplicates, but
//! every change of a network on the air costs its venues a push to the APs.

mod accept;
mod activity;
mod bucket;
mod bulk;
mod call;
mod clock;
mod control;
mod counts;
mod effect;
mod errors;
mod faults;
mod injected;
mod ledger;
mod model;
mod ops;
mod paging;
mod plans;
mod policy;
mod record;
mod route;
mod routes;
mod seed;
mod server;
mod settings;
mod shelf;
mod tenant;
mod token;
mod twist;
mod view;
mod wifi;
mod world;

pub use faults::FaultPlan;
pub use plans::{everything, storm};
pub use server::{Handle, Simulator};
pub use settings::{Refusal, RenameToTaken, Settings};
