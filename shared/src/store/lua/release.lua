-- Hands a claimed unit back (a worker that shuts down): somebody else gets it at once, and it is no crash.
-- KEYS[1] P   ARGV: job ph b token
-- -> OK | FENCED. No event.
local job, ph, b = ARGV[1], ARGV[2], ARGV[3]
local r = rec_get(job, ph, b)
if not r or r.token ~= ARGV[4] then return 'FENCED' end
local lane = call('HGET', J(job), 'lane')
if not lane then return 'FENCED' end
deq(lane, r.entry, r.w)
r.st, r.token = 'Q', ''
r.entry = enq(lane, job, ph, b, r.w)
rec_set(job, ph, b, r)
return 'OK'
