-- Whether an attachment was refused since not all of what it needs is here: one that needs nothing is asked for.
ALTER TABLE refused ADD COLUMN incomplete INTEGER NOT NULL DEFAULT 0;
