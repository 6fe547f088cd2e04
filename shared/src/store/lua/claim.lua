-- Takes a delivered entry over: from here on the token is what counts.
-- KEYS[1] P   ARGV: worker token entry
-- -> {OK job ph b lane claims crashes flag input secrets checkpoints facts...}   flag: '' | HELD | CANCEL | CRITICAL | TIMEOUT
--  | {LOST} not ours (any more)  | {GONE} the job's keys are gone  | {DONE} nothing left to do  | {DUP} another entry stands for it
-- A claim repeated after a lost reply (same token) is no crash. First claim of a job: PENDING -> RUNNING, the deadline's clock starts.
-- Events: job.running
local worker, token, entry = ARGV[1], ARGV[2], ARGV[3]
local x = call('XPENDING', WORK, G, entry, entry, 1)
if #x == 0 or x[1][2] ~= worker then return { 'LOST' } end          -- auto-claimed away before we started
call('XCLAIM', WORK, G, worker, 0, entry, 'JUSTID')                -- its idle time counts from here
local e = call('XRANGE', WORK, entry, entry)
if #e == 0 then call('XACK', WORK, G, entry); return { 'LOST' } end
local m = {}
for i = 1, #e[1][2], 2 do m[e[1][2][i]] = e[1][2][i + 1] end
local job, ph, b, lane, w, ms = m.j, m.ph, m.b, m.l, tonumber(m.w), now()
local j = J(job)
local f = call('HMGET', j, 'status', 'held', 'trunc', 'budget_s')
if not f[1] then deq(lane, entry, w); ring_add(lane); pump(4); return { 'GONE' } end
if call('HEXISTS', j..':out:'..ph, b) == 1 then deq(lane, entry, w); ring_add(lane); pump(4); return { 'DONE' } end
local pst = call('HGET', PH(job, ph), 'st')
if pst ~= 'RUNNING' and not (b == '-1' and pst == 'PLANNING') or b == '-1' and pst ~= 'PLANNING' then
  deq(lane, entry, w); ring_add(lane); pump(4); return { 'DONE' }
end
local r = rec_get(job, ph, b) or { st = 'Q', token = '', entry = entry, claims = 0, crashes = 0, w = w }
if r.entry ~= entry then                                            -- a second entry for the same unit
  if r.st == 'W' or r.entry == '' or #call('XRANGE', WORK, r.entry, r.entry) == 1 then
    deq(lane, entry, w); ring_add(lane); return { 'DUP' }           -- the first one is still known: it wins
  end
end
if b == '-1' and (f[2] or f[3]) then                                -- a plan has sent nothing: it is dropped, not settled
  plan_over(job, ph); deq(lane, entry, w)
  if f[3] then phase_end(job, ph, 'CANCELLED', ms) else call('HSET', PH(job, ph), 'dropped', 1) end
  ring_add(lane); pump(8)
  return { 'DONE' }
end
if r.st == 'R' and r.token ~= token then r.crashes = r.crashes + 1 end  -- taken over from a worker that never finished
if r.token ~= token then r.claims = r.claims + 1 end
r.st, r.token, r.entry = 'R', token, entry
rec_set(job, ph, b, r)
touch(job, ms)
if f[1] == 'PENDING' then
  call('HSET', j, 'status', 'RUNNING', 'started', ms, 'updated', ms, 'deadline', ms + num(f[4]) * 1000)
  call('ZADD', P..'deadlines', ms + num(f[4]) * 1000, job)
  job_event(job, 'RUNNING', ms)
  call('HINCRBY', P..'stats', 'started|'..(call('HGET', j, 'wf') or ''), 1)
end
return { 'OK', job, ph, b, lane, r.claims, r.crashes, f[3] or (f[2] and 'HELD') or '',
  b == '-1' and '' or call('HGET', j..':in:'..ph, b) or '', b == '-1' and '' or call('HGET', j..':sec:'..ph, b) or '',
  call('HGETALL', j..':ck:'..ph..':'..b) }
