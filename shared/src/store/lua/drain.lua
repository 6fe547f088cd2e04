-- Asks a worker to stop; its next heartbeat tells it. Forgotten with the worker.
-- KEYS[1] P   ARGV: worker
-- -> 1 asked | 0 no such worker has shown itself lately. No event.
local w = P..'worker:'..ARGV[1]
if call('EXISTS', w) == 0 then return 0 end
call('HSET', w, 'drain', 1)
return 1
