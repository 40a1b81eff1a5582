-- SQLite alone: its statements of many rows keep copies of the pages that they change where a reference is checked at once.
select 1;
