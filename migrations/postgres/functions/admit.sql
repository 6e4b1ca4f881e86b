-- Raises SK010 unless this drone has said since the last crash what it holds; and SK011 while others have not that
-- were known before, for as long as their leases may last: what they were handed out may look as if it waited.
create or replace function skep.admit(p_drone uuid) returns void
language plpgsql
as $$
declare
  v_now timestamptz := skep.now();
  v_others bigint;
  v_rest interval;
begin
  if not exists (select from heard h where h.incarnation = p_drone) then
    raise exception 'drone % has not said what it holds', p_drone using errcode = 'SK010';
  end if;
  select count(*), max(r.since + d.ttl - v_now) into v_others, v_rest
  from recovery r cross join drones d
  where not r.over and r.since + d.ttl > v_now
    and not exists (select from heard h where h.incarnation = d.incarnation);
  if v_others > 0 then
    raise exception using errcode = 'SK011', message = format('after a crash of the server nothing is handed out before '
      'every drone has said what it holds: %s have not, and are waited for %s s at most',
      v_others, ceil(extract(epoch from v_rest)));
  end if;
end $$;
