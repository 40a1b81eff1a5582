-- What is told of a run that has ended, or stands still: its report by mail to the operator, and the call of a monitor's
-- URL. The intent is written in the transaction of its cause, so that a relay or monitor that is away delays it. Where a
-- ping goes is a setting, as it may be a secret: its address is empty here.
--
-- Key that makes a repeat quiet: run, attempt, channel and address.
create table run_notice (
    run uuid not null constraint run_notice_run_fk references run (id),
    attempt bigint not null,
    channel text collate "C" not null constraint run_notice_channel check (channel in ('report', 'ping', 'ping_fail')),
    address text collate "C" not null,
    message_id text collate "C" not null,
    state text collate "C" not null constraint run_notice_state check (state in ('pending', 'sent', 'failed')),
    reason text,
    tries bigint not null default 0,
    due_at timestamptz,
    claimed_by text collate "C",
    claimed_until timestamptz,
    constraint run_notice_pk primary key (run, attempt, channel, address)
);
create index run_notice_pending on run_notice (due_at) where state = 'pending';
