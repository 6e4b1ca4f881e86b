-- Ends members that a drone gave back or was lost with; or, where their postbacks find no room, leaves all as
-- it was. They are all in one row.
create or replace function skep.end_lost(p_block uuid, p_members varbit, p_worker text, p_lost boolean) returns void
language plpgsql
as $$
declare
  v_row tasks;
  v_error text := 'its drone is gone';
  v_rejection jsonb;
begin
  select * into strict v_row from tasks t
  where t.block = p_block and position(B'1' in t.live & p_members) > 0;
  if p_lost then
    perform skep.event(p_block, p_members, v_row.attempts, p_worker, 'lost', v_error);
  end if;
  if v_row.cancel then
    v_error := 'cancelled by an operator';
    perform skep.event(p_block, p_members, v_row.attempts, p_worker, 'cancelled', v_error);
  end if;
  v_rejection := skep.end_part(p_block, v_row.low, p_members,
    case when v_row.cancel then 5 else 4 end::smallint, v_row.attempts,
    (v_row.losses + p_lost::int)::smallint, v_row.interruptions,
    case when not p_lost then v_row.claim end, case when not p_lost then 6 end::smallint,
    p_worker, v_error, null);
  if v_rejection is not null then
    raise exception using errcode = 'SK099';
  end if;
exception when sqlstate 'SK099' then
  null;
end
$$;
