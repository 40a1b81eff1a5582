-- Keys of the HTTP API. A key itself is nowhere: only the SHA-256 of it, so that whoever reads the database cannot ask
-- in its name. A revoked key stays, as the journal names it.
--
-- Keys that make a repeat quiet: the name; the hash.
create table api_key (
    id uuid not null primary key,
    name text collate "C" not null constraint api_key_name_unique unique,
    hash text collate "C" not null constraint api_key_hash_unique unique,
    scopes jsonb not null,
    numbers text collate "C" not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz
);
