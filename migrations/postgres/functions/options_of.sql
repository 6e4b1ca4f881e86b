-- Options as they are stored: null when all are default.
create or replace function skep.options_of(
  p_max_attempts int, p_unique_key text, p_on_conflict text, p_postback text) returns jsonb
language sql stable parallel safe
as $$
  select nullif(jsonb_strip_nulls(jsonb_build_object('max_attempts', p_max_attempts, 'unique_key', p_unique_key,
    'on_conflict', nullif(p_on_conflict, 'reject'), 'postback', p_postback)), '{}')
$$;
