-- What is told of a run that has ended, or stands still: its report by mail to the operator, and the call of a monitor's
-- URL. The intent is written in the transaction of its cause, so that a relay or monitor that is away delays it. Where a
-- ping goes is a setting, as it may be a secret: its address is empty here.
--
-- Key that makes a repeat quiet: run, attempt, channel and address.
create table run_notice (
    run blob not null constraint run_notice_run_fk references run (id),
    attempt integer not null,
    channel text not null constraint run_notice_channel check (channel in ('report', 'ping', 'ping_fail')),
    address text not null,
    message_id text not null,
    state text not null constraint run_notice_state check (state in ('pending', 'sent', 'failed')),
    reason text,
    tries integer not null default 0,
    due_at text,
    claimed_by text,
    claimed_until text,
    constraint run_notice_pk primary key (run, attempt, channel, address)
) strict;
create index run_notice_pending on run_notice (due_at) where state = 'pending';
