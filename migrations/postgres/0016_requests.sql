-- What an operator asks of a run is a row: whoever works the home does it, and the answer is read back, so that either
-- side may be killed. The credit notes of a reversal are listed, so that those that were to be mailed are mailed.
--
-- Keys that make a repeat quiet: a request's id, answered once; run and note.
create table run_request (
    id uuid not null primary key,
    run uuid not null constraint run_request_run_fk references run (id),
    asked jsonb not null,
    actor text collate "C" not null,
    asked_at timestamptz not null,
    state text collate "C" not null constraint run_request_state check (state in ('open', 'answered')),
    answer jsonb,
    answered_at timestamptz
);
create index run_request_open on run_request (asked_at) where state = 'open';

create table run_reversal_note (
    run uuid not null constraint run_reversal_note_run_fk references run (id),
    note uuid not null constraint run_reversal_note_note_fk references invoice (id),
    constraint run_reversal_note_pk primary key (run, note)
);
