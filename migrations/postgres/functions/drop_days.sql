-- Forgets terminal tasks whose time is over. Their partitions are dropped whole, once what lies beside them was
-- deleted, in bounded steps; what is in the default partition goes row by row. Answers whether there may be more.
create or replace function skep.drop_days(p_now timestamptz) returns boolean
language plpgsql
as $$
declare
  v_name text;
  v_gone uuid[];
begin
  with gone as (
    delete from finished_default f where f.ctid = any(array(
      select e.ctid from finished_default e where e.expires_at <= p_now limit 1000))
    returning f.block)
  select array_agg(distinct gone.block) into v_gone from gone;
  if v_gone is not null then
    perform skep.forget(v_gone);
    return true;
  end if;
  for v_name in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'finished'::regclass and c.relname ~ '^finished_[0-9]{8}$'
      and to_date(right(c.relname, 8), 'YYYYMMDD') < (p_now at time zone 'UTC')::date
    order by c.relname
  loop
    -- Blocks of one without a history have nothing beside their row, which goes with the table.
    execute format('with gone as (delete from skep.%1$I f where f.ctid = any(array(
      select e.ctid from skep.%1$I e where e.body is null or exists (
        select from skep.history h where h.block = e.block) limit 1000)) returning f.block)
      select array_agg(distinct gone.block) from gone', v_name) into v_gone;
    if v_gone is not null then
      perform skep.forget(v_gone);
      return true;
    end if;
    begin
      execute format('drop table skep.%I', v_name);
    exception when lock_not_available then
      return false;
    end;
  end loop;
  return false;
end
$$;
