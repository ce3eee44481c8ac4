-- Three roles for the operations database on PostgreSQL. Run it in that database as a superuser, with
-- psql -1 -f deploy/postgres_roles.sql, before the first migration and again after each upgrade and
-- each restore: new tables and columns are hidden from the reader until then. Give each role its password with
-- \password, or a certificate.
--
--   otto_owner   changes the schema; used by `otto-pipelines migrate` and `backup restore` only
--   otto_app     reads and writes rows; OPERATIONS_DATABASE_URL of the services
--   otto_reader  reads everything but personal data; for support and for questions

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['otto_owner', 'otto_app', 'otto_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role_name);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role_name);
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO otto_owner;
GRANT USAGE ON SCHEMA public TO otto_app, otto_reader;

-- What the owner creates from now on, the services may use.
ALTER DEFAULT PRIVILEGES FOR ROLE otto_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO otto_app;
ALTER DEFAULT PRIVILEGES FOR ROLE otto_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO otto_app;

-- What is there already: its owner, its rows for the services, all but personal data for the reader.
DO $$
DECLARE
    personal CONSTANT text[] := ARRAY['orders.delivery_address'];
    found record;
BEGIN
    FOR found IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('ALTER TABLE public.%I OWNER TO otto_owner', found.tablename);
        EXECUTE format(
            'GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO otto_app', found.tablename
        );
        EXECUTE format('REVOKE ALL ON public.%I FROM otto_reader', found.tablename);
    END LOOP;
    FOR found IN
        SELECT table_name, string_agg(quote_ident(column_name), ', ') AS shown
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name || '.' || column_name <> ALL (personal)
        GROUP BY table_name
    LOOP
        EXECUTE format('GRANT SELECT (%s) ON public.%I TO otto_reader', found.shown, found.table_name);
    END LOOP;
    IF to_regclass('public.alembic_version') IS NOT NULL THEN
        REVOKE INSERT, UPDATE, DELETE ON public.alembic_version FROM otto_app;
    END IF;
END
$$;
-- Its backup reads them, too.
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO otto_app;
