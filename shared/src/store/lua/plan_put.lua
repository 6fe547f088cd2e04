-- Writes some batches of a plan. A plan is never continued by another planner: the first call of a token starts from nothing.
-- KEYS[1] P   ARGV: job ph token (b blob secrets('' none))*
-- -> OK | FENCED | HELD | CANCELLED. No event.
local job, ph, token = ARGV[1], ARGV[2], ARGV[3]
local r = rec_get(job, ph, '-1')
if not r or r.token ~= token then return 'FENCED' end
local j = J(job)
if call('HGET', PH(job, ph), 'planner') ~= token then
  call('UNLINK', j..':in:'..ph, j..':sec:'..ph)
  call('HSET', PH(job, ph), 'planner', token)
end
for i = 4, #ARGV, 3 do
  call('HSET', j..':in:'..ph, ARGV[i], ARGV[i + 1])
  if ARGV[i + 2] ~= '' then call('HSET', j..':sec:'..ph, ARGV[i], ARGV[i + 2]) end
end
local f = call('HMGET', j, 'trunc', 'held')
return f[1] and 'CANCELLED' or f[2] and 'HELD' or 'OK'
