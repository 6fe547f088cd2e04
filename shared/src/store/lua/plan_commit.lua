-- Publishes a plan: the phase runs, or ends at once when it has no tasks or is skipped.
-- KEYS[1] P   ARGV: job ph token batches tasks bsize tolerated facts-json('' none) end('' run | SKIPPED)
-- -> OK | DONE (published before) | FENCED | INCOMPLETE (batches are missing: write them again)
-- Events: phase.running | phase.skipped | phase.completed …
local job, ph, token, n = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local j, r = J(job), rec_get(job, ph, '-1')
if not r then return 'DONE' end
if r.token ~= token then return 'FENCED' end
-- a failover may have dropped batches that were acknowledged to this very worker: verify before publishing
if n > 0 and (call('HGET', PH(job, ph), 'planner') ~= token or call('HLEN', j..':in:'..ph) ~= n) then return 'INCOMPLETE' end
local f, ms = call('HMGET', j, 'lane', 'trunc'), now()
if not f[1] then return 'FENCED' end
plan_over(job, ph); deq(f[1], r.entry, r.w)
if ARGV[8] ~= '' then call('HSET', PH(job, ph), 'facts', ARGV[8]) end
touch(job, ms)
if f[2] then phase_end(job, ph, 'CANCELLED', ms)                    -- cut short meanwhile: nothing is published
elseif ARGV[9] ~= '' then phase_end(job, ph, ARGV[9], ms)
else
  call('HSET', PH(job, ph), 'st', 'RUNNING', 'next', 0, 'batches', n, 'bdone', 0, 'tasks', ARGV[5], 'bsize', ARGV[6], 'tol', ARGV[7],
    'done', 0, 'failed', 0, 'skipped', 0, 'unknown', 0, 'cancelled', 0)
  call('HINCRBY', j, 'tasks', ARGV[5])
  phase_event(job, ph, 'RUNNING', ms)
  if n == 0 then phase_end(job, ph, 'COMPLETED', ms) else queue(f[1], job, ph) end
end
ring_add(f[1]); pump(16)
return 'OK'
