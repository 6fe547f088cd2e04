-- Puts a claimed unit aside until its time (or until `wake`): the slot is free, the entry gone, nothing forgotten.
-- KEYS[1] P   ARGV: job ph b token delay_ms(-1 = until resume) weight (index value)*
--   weight = tasks that will want a call when it comes back, at least 1
-- -> OK | FENCED (done before, or another's). No event.
local job, ph, b = ARGV[1], ARGV[2], ARGV[3]
local r = rec_get(job, ph, b)
if not r or r.token ~= ARGV[4] then return 'FENCED' end
local f, ms, delay = call('HMGET', J(job), 'lane', 'held', 'trunc'), now(), tonumber(ARGV[5])
local lane = f[1]
if not lane then return 'FENCED' end
if #ARGV > 6 then call('HSET', J(job)..':ck:'..ph..':'..b, unpack(ARGV, 7)) end
-- a plan is made anew, from nothing: what was stored of it so far takes no room while it waits
if b == '-1' then call('UNLINK', J(job)..':in:'..ph, J(job)..':sec:'..ph) end
deq(lane, r.entry, r.w)
r.st, r.token, r.entry, r.w = 'W', '', '', tonumber(ARGV[6])
if progress_in(7) then r.crashes = 0 end
rec_set(job, ph, b, r)
call('SADD', J(job)..':pk', ph..'|'..b)
touch(job, ms)
-- "until resume" holds only while the job is held: a resume that came in between has already walked the parked units
if delay < 0 and (not f[2] or f[3]) then delay = 0 end
if f[3] then delay = math.min(delay, 2000) end
if delay >= 0 then
  call('ZADD', P..'delayed', ms + delay, unit(job, ph, b))
  call('SADD', P..'pk:'..lane, unit(job, ph, b))
end
ring_add(lane); pump(4)
return 'OK'
