-- Calls per second the lane's controller allows: bounds what of the lane is in flight. A script, so that it goes through when memory
-- is full: what has begun has to go on as fast as it may.
-- KEYS[1] P   ARGV: lane rate
-- -> OK. No event.
call('HSET', P..'cfg', 'rate:'..ARGV[1], ARGV[2])
return 'OK'
