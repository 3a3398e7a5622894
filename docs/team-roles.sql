-- Roles of a team store in PostgreSQL.
--
--   carry_owner   makes the tables and brings them up to date (carry team init)
--   carry_writer  shares sessions, and sees, changes and takes out its own alone
--   carry_reader  sees what everybody shares, and changes nothing
--
-- Run this as a superuser in the store's database, before the first `carry team init` and again after each. Tables that it has not
-- seen are for nobody but whoever made them:
--
--   psql -d team -v ON_ERROR_STOP=1 -f team-roles.sql
--
-- It may be run as often as you like. Then give the roles to people:
--
--   CREATE ROLE ann LOGIN PASSWORD '...';
--   GRANT carry_writer, carry_reader TO ann;
--
-- Each person needs a login of their own: what is shared belongs to the login, and to nobody else. With another schema than
-- "carry" (team.schema), replace its name below.

BEGIN;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['carry_owner', 'carry_writer', 'carry_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA IF NOT EXISTS carry AUTHORIZATION carry_owner;
ALTER SCHEMA carry OWNER TO carry_owner;
REVOKE ALL ON SCHEMA carry FROM PUBLIC;
GRANT USAGE ON SCHEMA carry TO carry_writer, carry_reader;

-- Whoever ran `carry team init`: the tables belong to all owners.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'carry'::regnamespace AND c.relkind IN ('r', 'p') LOOP
        EXECUTE format('ALTER TABLE carry.%I OWNER TO carry_owner', name);
        EXECUTE format('REVOKE ALL ON carry.%I FROM PUBLIC, carry_writer, carry_reader', name);
        EXECUTE format('GRANT SELECT ON carry.%I TO carry_writer, carry_reader', name);
        -- A reader sees the rows of all owners.
        IF name <> 'meta' THEN
            EXECUTE format('DROP POLICY IF EXISTS reader ON carry.%I', name);
            EXECUTE format('CREATE POLICY reader ON carry.%I FOR SELECT TO carry_reader USING (true)', name);
        END IF;
        -- A writer changes the rows that row-level security lets it see. Who an owner is, is said once; numbers, and when something
        -- was made, are the server's to give: a number that somebody took would be in another's way.
        IF name = 'owners' THEN
            EXECUTE format('GRANT INSERT (person) ON carry.%I TO carry_writer', name);
        ELSIF name = 'units' THEN
            EXECUTE format('GRANT INSERT (owner, key, kind, origin, mode, mask) ON carry.%I TO carry_writer', name);
            EXECUTE format(
                'GRANT UPDATE (kind, mode, root, head_digest, mask, masked, pushed_at) ON carry.%I TO carry_writer', name);
            EXECUTE format('GRANT DELETE ON carry.%I TO carry_writer', name);
        ELSIF name <> 'meta' THEN
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON carry.%I TO carry_writer', name);
        END IF;
    END LOOP;
END
$$;

COMMIT;
