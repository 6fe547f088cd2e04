-- The phase can't be planned (its input is refused, or planning keeps crashing): it ends FAILED with a reason.
-- KEYS[1] P   ARGV: job ph token error-json dlq('' none)
-- -> OK | DONE | FENCED
-- Events: phase.failed, and what follows from it
local job, ph, token = ARGV[1], ARGV[2], ARGV[3]
local j, r = J(job), rec_get(job, ph, '-1')
if not r then return 'DONE' end
if r.token ~= token then return 'FENCED' end
local lane, ms = call('HGET', j, 'lane'), now()
if not lane then return 'FENCED' end
plan_over(job, ph); deq(lane, r.entry, r.w)
call('HINCRBY', j, 'errs', 1)
if call('LLEN', j..':err') < 100 then call('RPUSH', j..':err', ARGV[4]) end
call('HSET', PH(job, ph), 'error', ARGV[4])
if ARGV[5] ~= '' then
  call('XADD', P..'dlq', 'MAXLEN', '~', 10000, '*', 'j', job, 'ph', ph, 'b', -1, 'l', lane, 'crashes', r.crashes, 'why', ARGV[5])
end
phase_end(job, ph, 'FAILED', ms)
ring_add(lane); pump(8)
return 'OK'
