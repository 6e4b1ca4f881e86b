-- What became of a task, for who asks by SQL: a word, or an error.
create or replace function skep.acted(p_answer jsonb) returns text
language plpgsql
as $$
begin
  if p_answer ->> 'acted' = 'not_found' then
    raise exception 'no such task is kept' using errcode = 'SK005';
  elsif p_answer ->> 'acted' = 'rejected' then
    raise exception 'there is no room for it: %', p_answer -> 'rejection' ->> 'reason'
      using errcode = 'SK001', detail = p_answer -> 'rejection';
  end if;
  return p_answer ->> 'acted';
end
$$;
