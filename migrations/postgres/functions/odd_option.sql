-- What is wrong with the options of a task that is submitted by SQL, if anything is.
create or replace function skep.odd_option(
  p_priority int, p_max_attempts int, p_on_conflict text, p_postback text) returns text
language sql stable parallel safe
as $$
  select case
    when p_priority is null or p_priority not between 1 and 5 then
      format('%s is not a priority: use 1 (first) to 5 (last)', coalesce(p_priority::text, 'null'))
    when p_max_attempts not between 1 and 65535 then
      format('max_attempts is 1 to 65535, not %s', p_max_attempts)
    when p_on_conflict is null or p_on_conflict not in ('reject', 'skip', 'replace') then
      format('on_conflict is reject, skip or replace, not %s', coalesce('"' || left(p_on_conflict, 80) || '"', 'null'))
    when not skep.is_name(p_postback) and p_postback is not null then skep.no_name(p_postback) end
$$;
