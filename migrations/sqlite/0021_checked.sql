-- What lets every byte be checked. A reject file has a hash like segments and key runs. The journal is a chain like the
-- ledger: `hash` covers the record before, ordinal, instant, action and `content_hash`, and that one covers who, what and
-- with what, salted. So the chain itself holds no names and no free text: a person is erased by emptying the salt
-- and the words, and every other record can still be proved. Records of earlier versions have no hash and
-- stand before the chain.
alter table usage_import add column reject_sha256 text;

alter table journal add column salt text;
alter table journal add column content_hash text;
alter table journal add column hash text;

-- An erasure empties the words of a record and nothing else.
drop trigger journal_refuses_update;
create trigger journal_refuses_update before update on journal
when new.salt is not null or new.actor <> 'erased' or new.object <> 'erased' or new.detail <> '{}'
    or new.ordinal <> old.ordinal or new.at <> old.at or new.action <> old.action
    or new.content_hash is not old.content_hash or new.hash is not old.hash
begin
    select raise(abort, 'the journal is append-only');
end;
