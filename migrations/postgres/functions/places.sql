-- The block and ordinal that a task id means: a block of its own first, since users bring any id.
create or replace function skep.places(p_id uuid, out o_block uuid, out o_ordinal int)
language plpgsql stable
as $$
begin
  o_block := p_id;
  o_ordinal := 0;
  if exists (select from skep.shown s where s.block = p_id) then
    return;
  end if;
  o_ordinal := ('x' || right(p_id::text, 4))::bit(16)::int;
  if o_ordinal between 1 and 127 then
    o_block := (left(p_id::text, 32) || '0000')::uuid;
  else
    o_ordinal := 0;
  end if;
end
$$;
