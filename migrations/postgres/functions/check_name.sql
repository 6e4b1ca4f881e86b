-- Raises SK002 unless a queue or a task type may be called so. A hostile name may be megabytes long.
create or replace function skep.check_name(p_name text) returns void
language plpgsql as $$
begin
  if not skep.is_name(p_name) then
    raise exception using errcode = 'SK002', message = skep.no_name(p_name);
  end if;
end $$;
