-- What is due becomes available. Safe with many at once: who is late finds the rest.
create or replace function skep.promote() returns void
language plpgsql
as $$
declare
  v_now timestamptz := skep.now();
  v_due tid[];
begin
  select array_agg(d.tid) into v_due from (
    select t.ctid as tid from tasks t
    where t.later and t.run_at <= v_now
    order by t.run_at limit 10000 for update skip locked
  ) d;
  if v_due is not null then
    -- By their places alone: written `t.later`, the condition lets the server walk all that is scheduled instead, which
    -- it does where a vacuum has just counted the table empty (1.1 s with a million of them, 0.27 s so).
    update tasks t set later = false where t.ctid = any(v_due) and t.later::int = 1;
  end if;
end $$;
