-- Members of a row end for good, postbacks and all; null, or the rejection for which the caller must undo it.
create or replace function skep.end_part(
  p_block uuid, p_low smallint, p_members varbit, p_state smallint, p_attempts smallint, p_losses smallint,
  p_interruptions smallint, p_settled uuid, p_settled_as smallint, p_worker text, p_error text,
  p_results bytea
) returns jsonb
language plpgsql
as $$
declare
  v_posts jsonb := skep.leave_part(p_block, p_low, p_members, p_state, p_attempts, p_losses, p_interruptions,
    p_settled, p_settled_as, p_worker, p_error, p_results);
begin
  return case when v_posts is not null then skep.bear(v_posts) end;
end $$;
