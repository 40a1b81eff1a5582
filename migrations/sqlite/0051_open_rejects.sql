-- Imports of which records were refused: what they hold is missing in what is billed, so each is told until its reject file is
-- brought in, or somebody says that it is not to be waited for (rules Q4). Those of before this version are not told.
--
-- Key that makes a repeat quiet: the import.
create table usage_open_rejects (
    import blob not null primary key constraint usage_open_rejects_import_fk references usage_import (id)
) strict;
