-- The job waits for another, or (empty) does so no longer; read with the job. Goes through when memory is full, to say so.
-- KEYS[1] P   ARGV: job note
-- -> 1 noted | 0 the job has expired: it is not brought back. No event.
local j = J(ARGV[1])
if call('EXISTS', j) == 0 then return 0 end
if ARGV[2] == '' then call('HDEL', j, 'waits') else call('HSET', j, 'waits', ARGV[2]) end
return 1
