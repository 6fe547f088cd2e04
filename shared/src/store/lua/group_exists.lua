-- Whether the work stream has its group, or any. A script, so that it answers when memory is full, unlike XGROUP CREATE. Reads only.
-- KEYS[1] P   no ARGV
-- -> 1 | 0. No event.
return call('EXISTS', WORK) == 1 and #call('XINFO', 'GROUPS', WORK) > 0 and 1 or 0
