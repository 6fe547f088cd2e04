//! What went wrong in a tool that did the same work before us, one test for each incident, named after it. Each test tells what
//! happened there, and proves what must hold here, on the real thing: executors or the engine against a simulator, or whole processes
//! where only processes can show it (`processes`).
//!
//! | incident | test |
//! |---|---|
//! | token died at 50 min, later reads counted as failed work | `processes::sessions::token_dies_in_the_middle_of_an_import` |
//! | lost updates: 80 units add resources, a phase's end is overwritten | `engine::lost_updates_of_eighty_units_at_once` |
//! | scheduler idle branch: no heartbeat, units flagged running that nobody runs | `engine::stall_of_units_that_nobody_runs` |
//! | the reaper's generic text | `engine::stall_at_the_deadline_names_the_blocked_phases` |
//! | engine crash left the job running silently | `engine::engine_crash_leaves_no_silent_job` |
//! | 60 × GENERAL-010, each re-paged the identity group | `reads::general_010_sixty_times_sweeps_the_group_once` |
//! | second run redid everything | `reruns::second_run_writes_nothing` |
//! | two rows, one policy name, last wins silently | `reruns::two_rows_one_policy_name` |
//! | duplicated residents, invented names | `reruns::duplicated_residents_and_invented_names` |
//! | passphrases in every status poll | `processes::answers::passphrases_in_no_answer_and_no_log` |
//! | own rate limiter: 429 became 500, key without TTL | `processes::limits::own_refusals_say_when_to_come_back_and_lock_nobody_out` |
//! | Redis pool leak on cancelled polls | `processes::limits::redis_connections_of_callers_that_hang_up` |
//! | 503 HTML in page 2 of 8, 3,700 rows lost | `reads::html_503_in_page_2_of_8_loses_no_row` |
//! | pagination truncation | `reads::pagination_truncation` |
//! | 0/1-based page | `reads::pages_that_begin_at_zero_or_one` |
//! | error details not reaching the UI | `processes::answers::error_details_reach_the_caller` |
//! | silent success on API errors | `writes::silent_success_on_api_errors` |
//! | orphan SSIDs | `writes::orphan_ssids` |
//! | job blob too large, Redis timeouts | `engine::job_blob_too_large` |
//! | upload 413 | `processes::limits::upload_too_large_or_just_not` |

#![allow(dead_code, reason = "the benches of other suites are included whole")]

#[path = "../engine/world.rs"]
mod bench;
#[path = "../e2e/world.rs"]
mod fleet;
#[path = "../executors/harness.rs"]
mod harness;
#[path = "../e2e/search.rs"]
mod search;
#[path = "../engine/toy.rs"]
mod toy;

mod engine;
mod processes;
mod reads;
mod reruns;
mod writes;
