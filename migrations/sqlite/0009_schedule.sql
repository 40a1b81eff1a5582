-- The timetable: when each job is due next, and every tick that was made of it.
--
-- Key that makes a repeat quiet: job and nominal time, so that two schedulers make one tick.
create table schedule_job (
    job text not null primary key,
    expression text not null,
    next_at text,
    last_at text,
    missed integer not null default 0
) strict;

create table schedule_tick (
    job text not null,
    nominal text not null,
    made_at text not null,
    constraint schedule_tick_pk primary key (job, nominal)
) strict;
