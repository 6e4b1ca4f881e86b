-- Makes the partitions of `finished` into which tasks that end today and tomorrow will go. A day of which rows
-- lie in the default partition already is left alone.
create or replace function skep.make_days(p_now timestamptz) returns void
language plpgsql
as $$
declare
  v_day date;
  v_from timestamptz;
  v_name text;
begin
  for v_day in
    select distinct ((p_now + q.retention) at time zone 'UTC')::date + o.days
    from queues q cross join generate_series(-1, 1) as o(days)
    where q.retention between interval '1 microsecond' and interval '10 years'
    order by 1 limit 100
  loop
    v_name := 'finished_' || to_char(v_day, 'YYYYMMDD');
    v_from := v_day::timestamp at time zone 'UTC';
    continue when to_regclass(format('skep.%I', v_name)) is not null or exists (
      select from finished_default f where f.expires_at >= v_from and f.expires_at < v_from + interval '24 hours');
    begin
      -- Attached, not made in place: this takes no lock for which those wait that write to other days.
      execute format('create table skep.%I (like skep.finished including defaults)', v_name);
      execute format('alter table skep.finished attach partition skep.%I for values from (%L) to (%L)',
        v_name, v_from, v_from + interval '24 hours');
    exception when lock_not_available then
      return;
    end;
  end loop;
end
$$;
