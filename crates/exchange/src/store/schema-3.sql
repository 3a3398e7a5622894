-- Why a file could not be used: kind is absent, damaged, wrong, wrong_header, later, ways, unpacked, no_room, unclear or older, and why says
-- of some what there is to say besides. What is kept was noted in words alone. Of files of logs it stays known that something is
-- the matter, and since when, and what it is shows when they are looked at again, which is at once. Heads are found again.
ALTER TABLE rejects ADD COLUMN kind TEXT NOT NULL DEFAULT 'damaged';
DELETE FROM rejects WHERE name LIKE 'carry/h/%';
UPDATE rejects SET kind = 'absent', why = '' WHERE stamp = 'absent';
UPDATE rejects SET last_ms = 0 WHERE stamp <> 'absent';
