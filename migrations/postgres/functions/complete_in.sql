-- Completes a task in the transaction of its handler: it is so when that commits, together with whatever else
-- that did, or not at all. A handler that has lost its claim gets an error, after which its transaction cannot
-- commit. p_result is JSON. It holds the row of the claim until the transaction ends: the last thing to do.
create or replace function skep.complete_in(p_task uuid, p_claim uuid, p_result text default null)
returns void
language plpgsql security definer
set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
declare
  v_place record;
  v_members bit(128);
  v_legal bit(128);
  v_result bytea;
  v_rejection jsonb;
begin
  v_place := skep.places(p_task);
  v_members := set_bit(repeat('0', 128)::bit(128), v_place.o_ordinal, 1);
  select l.o_legal into v_legal from skep.legal(v_place.o_block, p_claim, v_members, 1::smallint) l;
  if v_legal <> v_members then
    raise exception 'task % is not this handler''s to complete', p_task using errcode = 'SK006',
      detail = 'Its claim was lost, or it has ended.', hint = 'Roll back: another run has it, or had it.';
  end if;
  if p_result is not null then
    v_result := skep.pack(array_fill(''::bytea, array[v_place.o_ordinal])
      || convert_to(p_result::json::text, 'UTF8'));
  end if;
  v_rejection := skep.conclude(v_place.o_block, p_claim, v_members, 1::smallint, v_result, null, null, '[]');
  if v_rejection is not null then
    raise exception 'task % cannot end: its postback has no room', p_task using errcode = 'SK001',
      detail = v_rejection::text;
  end if;
end $$;
