-- Remembers where tasks of a claimed batch stand. Written before a request leaves, and again before anything follows from its answer.
-- KEYS[1] P   ARGV: job ph b token (index value)*
-- -> OK | HELD | CANCELLED (written all the same) | FENCED (nothing written). No event.
local r = rec_get(ARGV[1], ARGV[2], ARGV[3])
if not r or r.token ~= ARGV[4] then return 'FENCED' end
call('HSET', J(ARGV[1])..':ck:'..ARGV[2]..':'..ARGV[3], unpack(ARGV, 5))
if r.crashes > 0 and progress_in(5) then r.crashes = 0; rec_set(ARGV[1], ARGV[2], ARGV[3], r) end
local f = call('HMGET', J(ARGV[1]), 'trunc', 'held')
return f[1] and 'CANCELLED' or f[2] and 'HELD' or 'OK'
