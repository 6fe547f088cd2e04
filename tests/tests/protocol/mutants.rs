//! A check of the checkers: each rule of the scripts is taken out once, and the schedule made for it must notice every time.

use std::rc::Rc;

use crate::bench::{Bench, Schedule, server};
use crate::proto::Scripts;
use crate::{
    fairness, fencing as f, limiter as l, names as n, planning as p, plans as pl, queues as q, retries as r,
    steering as s,
};

struct Mutant {
    name: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    caught_by: Schedule,
}

const fn m(
    name: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    caught_by: Schedule,
) -> Mutant {
    Mutant {
        name,
        file,
        from,
        to,
        caught_by,
    }
}

const FENCE: &str = "if not r or r.token ~= ARGV[4] then return 'FENCED' end";
const NO_FENCE: &str = "if not r then return 'FENCED' end";

#[rustfmt::skip]
const MUTANTS: &[Mutant] = &[
    m(
        "complete without token", "complete", "if r.token ~= ARGV[4] then return { 'FENCED' } end", "", f::stale_complete),
    m("heartbeat without token", "heartbeat", "not r or r.token ~= ARGV[i + 3]", "not r", f::stale_heartbeat),
    m("park without token", "park", FENCE, NO_FENCE, f::stale_park),
    m("checkpoint without token", "checkpoint", FENCE, NO_FENCE, f::stale_checkpoint),
    m("release without token", "release", FENCE, NO_FENCE, f::stale_release),
    m("plan_put without token", "plan_put", "if not r or r.token ~= token", "if not r", p::stale_plan),
    m("plan_commit without token", "plan_commit", "if r.token ~= token then return 'FENCED' end", "", p::stale_plan),
    m("claim without the owner of the pending entry", "claim", "#x == 0 or x[1][2] ~= worker", "#x == 0", f::late_claim),
    m("blind complete", "complete", "if not r then return {", "r = r or { token = ARGV[4], entry = '0-0', w = 1, crashes = 0 } if not r then return {", f::complete_twice),
    m("a repeated claim counts as a crash", "claim", "if r.st == 'R' and r.token ~= token then r.crashes", "if r.st == 'R' then r.crashes", f::claim_twice_is_no_crash),
    m("a takeover is no crash", "claim", "if r.st == 'R' and r.token ~= token then", "if false then", f::claim_twice_is_no_crash),
    m("progress forgives nothing", "checkpoint", "r.crashes > 0 and progress_in(5)", "false", f::progress_forgives_crashes),
    m("an intent is progress", "_prelude", r#"~= '{"s":"S"'"#, "~= ''", f::an_intent_is_no_progress),
    m("a note is progress", "_prelude", "and ARGV[i - 1] ~= '4294967295'", "", f::a_note_is_no_progress),
    m("a chunk of a plan is progress", "plan_put", "local f = call(", "r.crashes = 0; rec_set(job, ph, '-1', r)\nlocal f = call(", f::a_chunk_of_a_plan_is_no_progress),
    m("parked results are no progress", "park", "if progress_in(7) then r.crashes = 0 end", "", f::a_park_with_results_is_progress),
    m("a release is a crash", "release", "r.st, r.token = 'Q', ''", "r.st, r.token = 'R', ''", f::release_is_no_crash),
    m("a second entry is claimed", "claim", "if r.entry ~= entry then", "if false then", f::a_second_entry_is_dropped),
    m("XACK without XDEL", "_prelude", "if call('XDEL', WORK, entry) == 1 and ", "if ", f::acknowledged_is_gone),
    m("XDEL without the lane's count", "_prelude", "call('HINCRBY', P..'tin', lane, -w) <= 0", "false", f::acknowledged_is_gone),
    m("wake of what is not parked", "wake", "if r and r.st == 'W' then", "if r then", f::wake_of_the_running),
    m("wake does nothing", "wake", "if r and r.st == 'W' then", "if false then", f::wake_of_the_parked),
    m("DELCONSUMER with pending entries", "reap", "d.pending == 0 and not alive", "not alive", f::reap_spares_owners),
    m("plan_commit without counting", "plan_commit", "or call('HLEN', j..':in:'..ph) ~= n", "", p::commit_verifies),
    m("a plan is continued by another planner", "plan_put", "call('UNLINK', j..':in:'..ph, j..':sec:'..ph)", "", p::second_planner_starts_from_nothing),
    m("a plan leaves its checkpoints", "_prelude", "call('UNLINK', J(job)..':ck:'..ph..':-1')", "", p::plan_leaves_nothing),
    m("a cut job's plan is published", "plan_commit", "if f[2] then phase_end", "if false then phase_end", p::cut_job_publishes_nothing),
    m("cut tasks are not counted", "_prelude", "if cut > 0 then", "if false then", p::cut_tasks_are_counted),
    m("the short last batch is counted as full", "_prelude", "cut = num(p[5]) - nb * num(p[6])", "cut = (all - nb) * num(p[6])", p::cut_tasks_are_counted),
    m("a cut phase goes on", "_prelude", "call('HSET', PH(job, ph), 'batches', nb, 'cut', all - nb)", "", p::cut_tasks_are_counted),
    m("a critical failure cuts nothing", "complete", "truncate(job, 'CRITICAL', ms)", "local _", p::critical_failure_cuts),
    m("UNKNOWN is tolerated", "complete", "num(f[1]) + num(f[2]) > num(f[3])", "num(f[1]) > num(f[3])", p::unknown_counts_as_failed),
    m("an ended job lives for ever", "_prelude", "do call('EXPIRE', k, num(f[5])) end", "do local _ = k end", p::ages),
    m("a running job's input expires", "submit", "call('PERSIST', j..':input'); call('PERSIST', j..':inputsec')", "", p::ages),
    m("a running job's keys expire", "plan_commit", "ring_add(f[1]); pump(16)", "call('EXPIRE', PH(job, ph), 600); ring_add(f[1]); pump(16)", p::ages),
    m("of what failed no rows are left", "_prelude", "if st == 'COMPLETED' or f[9] then call('UNLINK'", "if true then call('UNLINK'", r::what_is_not_done_keeps_its_input),
    m("the rows of a plan are kept", "_prelude", "if st == 'COMPLETED' or f[9] then call('UNLINK'", "if st == 'COMPLETED' then call('UNLINK'", r::what_is_not_done_keeps_its_input),
    m("the rows of what failed live for ever", "_prelude", "':err', ':input', ':inputsec' }", "':err' }", r::what_is_not_done_keeps_its_input),
    m("whatever has not ended is retried", "submit", "if f[2] ~= 'PARTIAL' and f[2] ~= 'FAILED' and f[2] ~= 'CANCELLED' then", "if false then", r::only_what_has_ended_undone),
    m("another tenant's job is retried", "submit", "if f[1] ~= t then return { 'GONE' } end", "", r::of_another_tenant_nothing_is_known),
    m("two retries side by side", "submit", "return { 'RETRIED', f[3] }", "local _", r::one_retry_at_a_time),
    m("a retry is not kept with what it is of", "submit", "call('HSET', J(before), 'retried_by', job)", "", r::one_retry_at_a_time),
    m("a job knows only its latest retry", "submit", "if n < RETRIES_KEPT then", "if false then", r::one_retry_at_a_time),
    m("a job's retries without an end", "submit", "if n < RETRIES_KEPT then", "if true then", r::the_latest_retries_are_kept),
    m("a retry that an earlier version accepted is forgotten", "submit", "if latest and string.match(all or '', '^[^,]*') ~= latest then", "if false then", r::the_latest_retries_are_kept),
    m("a retry says not what it is of", "submit", "call('HSET', j, 'resume_of', before);", "", r::one_retry_at_a_time),
    m("a retry that has ended stands in the way", "submit", "local st = id and call('HGET', J(id), 'status')", "local st = id and 'RUNNING'", r::one_retry_at_a_time),
    m("what is done is not cleaned up", "submit", "how and f[2] == 'COMPLETED'", "false", r::one_cleanup_at_a_time),
    m("two cleanups side by side", "submit", "return { 'CLEANED', f[4] }", "local _", r::one_cleanup_at_a_time),
    m("a cleanup is not kept with what it is of", "submit", "call('HSET', J(before), 'cleaned_by', job)", "local _", r::one_cleanup_at_a_time),
    m("a cleanup says not what it is of", "submit", "call('HSET', j, 'cleanup_of', before)", "", r::one_cleanup_at_a_time),
    m("a cleanup passes for a retry", "submit", "local before = cleaned or ARGV[9]", "local before = cleaned or ARGV[9]; cleaned = nil", r::one_cleanup_at_a_time),
    m("a dry run leaves a mark", "submit", "if how == 'clean' then", "if true then", r::one_cleanup_at_a_time),
    m("what is cleaned up goes meanwhile", "submit", "do call('EXPIRE', k, ttl) end", "do local _ = k end", r::one_cleanup_at_a_time),
    m("what is held is not audited", "submit", "how == 'audit' and stands == 'PAUSED'", "false", r::audits_look_and_hold_up_nobody),
    m("what is held is cleaned up", "submit", "how == 'audit' and stands == 'PAUSED'", "how and stands == 'PAUSED'", r::audits_look_and_hold_up_nobody),
    m("what is held goes because it was looked at", "submit", "stands == 'PAUSED' and {} or job_keys(before)", "job_keys(before)", r::audits_look_and_hold_up_nobody),
    m("an audit is not kept with what it is of", "submit", "call('HSET', J(before), 'audited_by', job)", "local _", r::audits_look_and_hold_up_nobody),
    m("an audit says not what it is of", "submit", "call('HSET', j, 'audit_of', before);", "", r::audits_look_and_hold_up_nobody),
    m("a used key with another body is accepted", "submit", "h == hash and 'EXISTS' or 'REUSED'", "'EXISTS'", p::idempotency),
    m("a used key makes a second job", "submit", "  if old then", "  if false then", p::idempotency),
    m("a phase's last numbers are not told", "complete", "\nprogress(job, ms)\n", "\n", p::last_numbers_are_told),
    m("progress after the end", "_prelude", "if f[9] ~= 'RUNNING' and f[9] ~= 'CANCELLING' and f[9] ~= 'PAUSED' then return end", "", p::silent_after_the_end),
    m("a phase ends twice", "_prelude", "if was == 'PENDING' or was == 'PLANNING' or was == 'RUNNING' then", "if true then", p::critical_failure_of_the_last),
    m("a failed plan is forgotten", "_prelude", "call('HSET', j, 'phase_failed', p)", "", p::empty_skipped_failed),
    m("resume does not un-park", "steer", "requeue(); unpark_all(lane, job)", "requeue()", s::resume_unparks),
    m("resume does not re-queue", "steer", "requeue(); unpark_all(lane, job)", "unpark_all(lane, job)", s::resume_requeues),
    m("a held job's batches are released", "_prelude", "elseif jf[2] then call('HSET', PH(job, ph), 'dropped', 1)", "elseif false then local _", s::resume_requeues),
    m("parked until a resume that is over", "park", "if delay < 0 and (not f[2] or f[3]) then delay = 0 end", "", s::park_after_the_resume),
    m("parked until a resume that never comes", "park", "if delay < 0 and (not f[2] or f[3]) then", "if delay < 0 and not f[2] and not f[3] then", s::park_after_the_cancel),
    m("cancel wakes nobody", "_prelude", "  unpark_all(lane, job)\n  ring_add(lane)\n", "  ring_add(lane)\n", s::cancel_wakes_the_parked),
    m("a held job's plan is made", "claim", "if b == '-1' and (f[2] or f[3]) then", "if false then", s::held_plan_is_dropped),
    m("a held job that settles looks held", "_prelude", "if f[3] == 'PAUSED' then", "if false then", s::critical_failure_of_a_held_job),
    m("a held job that settles is not watched", "_prelude", "  call('ZADD', P..'active', ms, job)\n", "", s::critical_failure_of_a_held_job),
    m("confirm queues nothing", "steer", "call('ZADD', P..'active', ms, job)\n  requeue()\n  job_event", "call('ZADD', P..'active', ms, job)\n  job_event", s::confirm),
    m("a held job waits for ever", "submit", "else confirm_by(job) end", "end", s::nobody_confirms),
    m("nobody can see by when to confirm it", "_prelude", "if not f[1] then call('HSET', J(job), 'confirm_by', by) end", "", s::nobody_confirms),
    m("an ended job is to be confirmed", "_prelude", "call('HDEL', j, 'held', 'confirm_by', 'checking')", "call('HDEL', j, 'held', 'checking')", s::nobody_confirms),
    m("a person begins what is to follow a plan", "steer", "if what == 'confirm' and c[1] then return { 'CHECKING', c[2] } end", "", pl::the_same),
    m("nobody looks when the submitter has died", "submit", "call('ZADD', P..'checks', ms + 15000, job)", "", pl::the_same),
    m("everybody looks at once, all the time", "checks", "call('ZADD', P..'checks', ms + tonumber(ARGV[1]), job)", "", pl::the_same),
    m("a plan that holds begins its job twice", "steer", "if what == 'plan_same' and not c[1] then return { 'ALREADY', st } end", "", pl::the_same),
    m("a plan that holds confirms its job", "steer", "if what == 'plan_same' and c[3] then return { 'DONE', st } end", "", pl::the_same_and_to_be_confirmed),
    m("a plan is looked at for ever", "steer", "call('HDEL', j, 'checking'); call('ZREM', P..'checks', job)", "call('HDEL', j, 'checking')", pl::the_same),
    m("a plan is checked for ever", "steer", "call('HDEL', j, 'checking'); call('ZREM', P..'checks', job)", "call('ZREM', P..'checks', job)", pl::the_same_and_to_be_confirmed),
    m("a late word cancels what was confirmed to be the same", "steer", "if call('HEXISTS', j, 'checking') == 0 then return { 'ALREADY', st } end", "", pl::the_same_and_to_be_confirmed),
    m("nobody knows that the plan did not hold", "steer", "call('HSET', j, 'why', reason)", "", pl::another),
    m("an ended job is to be looked at", "_prelude", "'dirty', 'deadlines', 'active', 'checks' }", "'dirty', 'deadlines', 'active' }", pl::ended_meanwhile),
    m("an ended job waits for its plan", "_prelude", "call('HDEL', j, 'held', 'confirm_by', 'checking')", "call('HDEL', j, 'held', 'confirm_by')", pl::ended_meanwhile),
    m("what is gone is looked at for ever", "checks", "else call('ZREM', P..'checks', job) end", "end", pl::ended_meanwhile),
    m("a confirmed job is to be confirmed", "steer", "call('HDEL', j, 'confirm_by')", "", s::confirmed_in_time),
    m("what an older version held waits for ever", "tick", "elseif st == 'AWAITING_CONFIRMATION' then confirm_by(job) end", "end", s::held_by_an_older_version),
    m("a held job is taken for one that is late", "tick", "if st == 'AWAITING_CONFIRMATION' then", "if false then", s::nobody_confirms),
    m("nobody is told that it was not confirmed", "_prelude", "f[8] or f[1]", "f[1]", s::nobody_confirms),
    m("a confirmed job is not confirmed in time", "steer", "call('ZREM', P..'deadlines', job)                                 -- that", "-- that", s::confirmed_in_time),
    m("a deadline looks like a cancel", "tick", "truncate(job, 'TIMEOUT', ms)", "truncate(job, 'CANCEL', ms)", s::deadline),
    m("the deadline passes while held", "steer", "call('ZREM', P..'deadlines', job); call('ZREM', P..'active', job)", "", s::deadline_stands_still),
    m("the deadline is not moved by the hold", "steer", "call('ZADD', P..'deadlines', ms + num(f[6]), job)", "call('ZADD', P..'deadlines', num(f[5]), job)", s::deadline_stands_still),
    m("a cooling lane is served", "_prelude", "call('HEXISTS', P..'cool', lane)", "0", q::cool_down),
    m("a lane stays cool for ever", "tick", "call('HDEL', P..'cool', cool[i]); ring_add(cool[i])", "call('HDEL', P..'cool', cool[i])", q::cool_down),
    m("no cap on a lane", "_prelude", "if tasks >= most and", "if false and", q::cap_of_a_lane),
    m("a fast lane takes all slots", "_prelude", "math.min(rate * 6 + 20, cfg('depth', '', 64) * 37)", "rate * 6 + 20", q::cap_of_slots),
    m("what begins has no cap", "_prelude", "tasks >= 2 * most or ", "", q::cap_of_what_begins),
    m("each step of a small job waits for a large one's room", "_prelude", "or begins(head)", "", fairness::a_small_job_beside_a_large_one),
    m("a first batch waits for a large job's room", "_prelude", " or num(p[2]) == 0", "", fairness::a_small_job_beside_a_large_one),
    m("the next plan waits behind a large job", "_prelude", "queue_next(f[3], job, d)", "queue(f[3], job, d)", fairness::a_plan_passes_its_lane),
    m("parked batches do not count", "_prelude", "return call('SCARD', P..'pk:'..lane) < 64", "return 0 < 64", q::parked_count),
    m("a phase named 7 is taken for a batch", "_prelude", "string.find(head, '^[^|]+|[^|]+|')", "string.find(head, '|%-?%d+$')", q::parked_count),
    m("a batch that comes back waits for all fresh ones", "_prelude", "call('LPUSH', P..'tq:'..lane, m)", "call('RPUSH', P..'tq:'..lane, m)", q::returning_goes_first),
    m("a sequential phase releases early", "_prelude", "if not seq or num(p[4]) == num(p[2]) then", "if true then", q::sequential),
    m("the end of a sequential batch queues nothing", "complete", "then queue(lane, job, ph) end", "then local _ end", q::sequential),
    m("reconcile overlooks ghosts", "reconcile", "if #call('XPENDING', WORK, G, e[1], e[1], 1) == 0 then", "if false then", q::repairs),
    m("reconcile overlooks lost units", "reconcile", "if call('HEXISTS', j..':out:'..ph, b) == 0 then lost(ph, b) end", "", q::repairs),
    m("reconcile counts what only waits", "reconcile", "and not waits and", "and", q::sequential),
    m("a stray unit counts as parked", "tick", "if lane then call('SREM', P..'pk:'..lane, m); ring_add(lane) end", "", q::stray_parked),
    m("a lane freed of strays stays closed", "tick", "; ring_add(lane) end\n  end", " end\n  end", q::stray_parked),
    m("a burst three times too large", "lim_acquire", "local tau = burst * em", "local tau = burst * em * 3", l::rate_is_kept),
    m("tokens cost nothing", "lim_acquire", "tat + k * em", "tat", l::rate_is_kept),
    m("what is given back grows for ever", "lim_acquire", "if tat < now then tat = now end", "", l::given_back),
    m("nothing is given back", "lim_acquire", "if back > 0 then tat = tat - back * em end", "", l::given_back),
    m("a dead worker keeps its share", "lim_acquire", "'-inf', now)) do", "'-inf', 0)) do", l::concurrency_is_leased),
    m("the first takes all", "lim_acquire", "math.min(wantc, share, ", "math.min(wantc, ", l::concurrency_is_leased),
    m("more than there is", "lim_acquire", ", cmax - (used - mine)", "", l::concurrency_is_leased),
    m("the first keeps what is too little for all", "lim_acquire", "% demand < cmax and 1 or 0", "% demand < cmax and 1 or 1", l::too_few_go_round),
    m("calls under way are forgotten", "lim_acquire", "math.max(grant, flight)", "grant", l::calls_under_way_count),
    m("tokens for who may not call", "lim_acquire", "grant <= flight and wantc > 0", "false", l::no_tokens_without_a_share),
    m("a lane cools for ever", "cool", "math.min(tonumber(ARGV[2]), 300000)", "tonumber(ARGV[2])", l::a_pause_has_an_end),
    m("a controller cools for ever", "lim_report", "math.min(tonumber(ARGV[4]), 300000)", "tonumber(ARGV[4])", l::a_pause_has_an_end),
    m("two changes for one signal", "lim_report", "tonumber(ARGV[1]) == gen and", "", l::one_change_per_generation),
    m("a rate above the configured one", "lim_acquire", "rate, cmax = math.min(rate, rmax), math.min(cmax, cceil)", "", l::one_change_per_generation),
    m("a cool-down is ignored", "lim_acquire", "if cool > now then wait", "if false then wait", l::cool_down_stops_everybody),
    m("a shorter cool-down ends a longer one", "lim_report", "math.max(tonumber(c('HGET', K, 'cool') or 0), math.floor(now + cool))", "math.floor(now + cool)", l::cool_down_stops_everybody),
    m("two pollers", "poll_lease", "if owner and owner ~= ARGV[1] then return { n, 0 } end", "", l::one_poller),
    m("the poller keeps its lease for ever", "poll_lease", ", 'PX', ARGV[2]", "", l::one_poller),
    m("polling given up for another", "poll_lease", "c('GET', L..'poller') == ARGV[1]", "true", l::one_poller),
    m("polling is never given up", "poll_lease", "then c('DEL', L..'poller') end", "then end", l::one_poller),
    m("two writers of a name", "names_claim", "if has == 1 then return", "if false then return", n::one_writer),
    m("who is refused keeps a part", "names_claim", "for _, w in ipairs(c('ZRANGE', W, 0, -1)) do", "c('SADD', L..'names:'..who, unpack(ARGV, last + 1)) for _, w in ipairs(c('ZRANGE', W, 0, -1)) do", n::one_writer),
    m("another name is told than the one taken", "names_claim", "tostring(at - 6 + i)", "'1'", n::one_writer),
    m("names are never free again", "names_release", "c('SREM', L..'names:'..who, unpack(ARGV, 2))", "", n::one_writer),
    m("one name given back gives all back", "names_release", "left = c('SCARD', L..'names:'..who)", "", n::one_writer),
    m("a writer stays when it has nothing", "names_release", "if left == 0 then", "if false then", n::one_writer),
    m("a claim never ends", "names_claim", "'-inf', now", "'-inf', 0", n::a_claim_runs_out),
    m("a claim is not kept alive", "names_claim", "c('ZADD', W, now + ttl, who)", "c('ZADD', W, 'NX', now + ttl, who)", n::a_claim_runs_out),
    m("a claim ends early", "names_claim", "'-inf', now", "'-inf', now + 60000", n::a_claim_runs_out),
    m("names are not kept alive", "names_claim", "who, ttl)\nc('ZADD'", "who, ttl, 'NX')\nc('ZADD'", n::a_claim_runs_out),
    m("names never expire", "names_claim", "c('PEXPIRE', L..'names:'..who, ttl)", "", n::a_claim_runs_out),
    m("more is looked for than was asked", "names_claim", "math.min(at + 999, last)", "#ARGV", n::nobody_takes_away_what_others_build_on),
    m("less is looked for than was asked", "names_claim", "math.min(at + 999, last)", "math.min(at + 999, 5 + math.ceil(ARGV[5] / 2))", n::nobody_takes_away_what_others_build_on),
    m("one gets what was looked for, too", "names_claim", "for at = last + 1, #ARGV", "for at = 6, #ARGV", n::nobody_takes_away_what_others_build_on),
    m("a job is in the way of its phases", "names_claim", "or w == whole or", "or", n::a_job_is_not_in_its_own_way),
    m("a phase is in the way of its job", "names_claim", "(who == whole and string.sub(w, 1, #job) == job)", "false", n::a_job_is_not_in_its_own_way),
    m("phases are not in each other's way", "names_claim", "(who == whole and", "(true and", n::a_job_is_not_in_its_own_way),
    m("a job with a similar name", "names_claim", "'^[^|]*|'", "'^j1'", n::a_job_is_not_in_its_own_way),
    m("what a job has is not kept alive", "names_claim", "if who ~= whole and c('ZADD', W, 'XX', 'CH', now + whole_ttl, whole) == 1 then", "if false then", n::a_job_is_not_in_its_own_way),
    m("names of a job are not kept alive", "names_claim", "then c('PEXPIRE', L..'names:'..whole, whole_ttl) end", "then end", n::a_job_is_not_in_its_own_way),
    m("who waits lets go of what its job has", "names_claim", "if who ~= whole and c('ZADD'", "if who ~= whole and c('ZCOUNT', W, now, '+inf') < 3 and c('ZADD'", n::a_job_is_not_in_its_own_way),
    m("a job has claims that it never made", "names_claim", "'XX', 'CH'", "'CH'", n::a_job_is_not_in_its_own_way),
    m("nobody is told what a job lost", "names_claim", "if ARGV[4] == '1' and", "if false and", n::what_a_job_lost_is_told),
    m("told of a loss who needs nothing", "names_claim", "if ARGV[4] == '1' and", "if", n::what_a_job_lost_is_told),
    m("only the first of many are looked for", "names_claim", "own and 0 or last, 1000", "own and 0 or math.min(last, 1005), 1000", n::many_names_are_one_claim),
    m("a place among the first thousand", "names_claim", "tostring(at - 6 + i)", "tostring(i)", n::many_names_are_one_claim),
    m("only the first of many are claimed", "names_claim", "last + 1, #ARGV, 1000 do", "last + 1, math.min(#ARGV, last + 1), 1000 do", n::many_names_are_one_claim),
    m("settled stays pending", "poll_settle", "c('HDEL', L..'pending', ARGV[i])", "", l::one_poller),
    m("a lane that was served stays first", "_prelude", "vt + 1 / cfg(", "vt + 0 * cfg(", fairness::a_small_job_passes_a_large_one),
    m("a cooling lane fills the stream", "_prelude", "call('HEXISTS', P..'cool', lane)", "0", fairness::a_cooling_lane_holds_up_nobody),
    m("the first job of a lane is served until it ends", "_prelude", "call('LMOVE', tq, tq, 'LEFT', 'RIGHT')", "local _", fairness::jobs_of_a_lane_take_turns),
    m("all tenants weigh the same", "_prelude", "1 / cfg('weight', string.match(lane, '^[^|]*'), 1)", "1", fairness::weights_share_1_2_4),
    m("the stream grows with the backlog", "_prelude", "and call('XLEN', WORK) < depth", "", fairness::a_backlog_drains),
];

/// Schedules that no mutant needs.
const MORE: &[(&str, Schedule)] = &[("finished_in_between", f::finished_in_between)];

/// Every schedule passes on the scripts as they are.
#[test]
fn schedules_hold() {
    let server = server();
    let all = MUTANTS
        .iter()
        .map(|m| (m.name, m.caught_by))
        .chain(MORE.iter().copied());
    let broken: Vec<String> = all
        .filter_map(|(name, schedule)| {
            schedule(&mut Bench::real(&server))
                .err()
                .map(|e| format!("{name}: {e}"))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// And fails on the scripts with its rule taken out. A script that no longer runs is no mutant: it panics.
#[test]
fn mutants_are_caught() {
    let server = server();
    let mut survivors = Vec::new();
    for m in MUTANTS {
        let mut found = false;
        let scripts = Scripts::edited(|file, text| {
            if file != format!("{}.lua", m.file) {
                return text;
            }
            found = text.contains(m.from);
            text.replace(m.from, m.to)
        });
        assert!(
            found,
            "{}: {}.lua does not contain {:?} any more",
            m.name, m.file, m.from
        );
        if (m.caught_by)(&mut Bench::on(&server, Rc::new(scripts))).is_ok() {
            survivors.push(m.name);
        }
    }
    assert!(survivors.is_empty(), "nobody noticed: {survivors:#?}");
}
