-- Usage files that were refused whole: what they hold is missing in what is billed, so each is told until a file is
-- brought in from its path, or somebody says that it is not to be waited for (rules Q4).
--
-- Key that makes a repeat quiet: the path.
create table usage_refused (
    path text not null primary key,
    kept_at text,
    code text not null,
    message text not null,
    refused_at timestamptz not null
);
