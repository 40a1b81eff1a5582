-- The timetable: when each job is due next, and every tick that was made of it.
--
-- Key that makes a repeat quiet: job and nominal time, so that two schedulers make one tick.
create table schedule_job (
    job text collate "C" not null primary key,
    expression text collate "C" not null,
    next_at timestamptz,
    last_at timestamptz,
    missed bigint not null default 0
);

create table schedule_tick (
    job text collate "C" not null,
    nominal timestamptz not null,
    made_at timestamptz not null,
    constraint schedule_tick_pk primary key (job, nominal)
);
