-- An operator takes a unit away from whoever has it, or out of its waiting, and puts it at the head of its lane. What a worker still
-- does with it is fenced, and what it sent is in the checkpoints; it is no crash.
-- KEYS[1] P   ARGV: job ph b
-- -> {OK state} (Q queued, R in a worker's hands, W parked before) | {NONE} not released yet, or done. No event.
local job, ph, b = ARGV[1], ARGV[2], ARGV[3]
local r, lane = rec_get(job, ph, b), call('HGET', J(job), 'lane')
if not r or not lane then return { 'NONE' } end
local was = r.st
if r.entry ~= '' then deq(lane, r.entry, r.w) end
call('LREM', P..'tq:'..lane, 0, unit(job, ph, b))
unpark(lane, job, ph, b, r)
touch(job, now())
pump(8)
return { 'OK', was }
