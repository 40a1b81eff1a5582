-- A series may begin where the numbers of another system end (rules S7); all there were before begin at 1.
alter table number_series add column first integer not null default 1;
