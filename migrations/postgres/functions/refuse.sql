-- Raises what a submit was answered that stored nothing: SK001 full, SK002 invalid, SK003 conflict, SK004 not
-- now. The numbers are in the DETAIL, as JSON.
create or replace function skep.refuse(
  p_queue text, p_type text, p_outcome text, p_holder uuid, p_rejection jsonb) returns void
language plpgsql as $$
declare
  v_reason text := p_rejection ->> 'reason';
  v_depth text := p_rejection ->> 'depth';
  v_limit text := p_rejection ->> 'limit';
  v_why text := coalesce(nullif(p_rejection ->> 'detail', ''), v_depth || ' of ' || v_limit || ' tasks');
begin
  if p_outcome = 'conflict' then
    raise exception using errcode = 'SK003',
      message = format('task %s is in the way: it has this id or this unique key', p_holder),
      detail = jsonb_build_object('reason', 'conflict', 'holder', p_holder)::text,
      hint = 'on_conflict says what happens to a unique key that is taken: reject, skip or replace.';
  end if;
  raise exception using
    errcode = case when v_reason in ('draining', 'intake_paused') then 'SK004'
      when v_reason in ('invalid', 'payload_too_large') then 'SK002' else 'SK001' end,
    message = case v_reason
      when 'queue_full' then format('queue "%s" is full: %s', p_queue, v_why)
      when 'type_full' then format('task type "%s" of queue "%s" is full: %s', p_type, p_queue, v_why)
      when 'draining' then format('queue "%s" is being drained, and takes nothing new', p_queue)
      when 'intake_paused' then format('queue "%s" takes nothing new: its intake is paused', p_queue)
      when 'payload_too_large' then
        format('a payload of %s bytes is too large: queue "%s" takes %s', v_depth, p_queue, v_limit)
      else v_why end,
    detail = (p_rejection - 'detail')::text,
    hint = case v_reason
      when 'payload_too_large' then 'Store it elsewhere, and submit where it lies.'
      when 'invalid' then 'docs/sql.md has the rules.'
      else format('Try again in %s s; try_submit answers where submit raises.', p_rejection ->> 'retry_after') end;
end $$;
