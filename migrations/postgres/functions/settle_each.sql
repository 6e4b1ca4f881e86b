-- Ends members the general way, one ending after the other, each whole or refused: an answer each. The arrays
-- are parallel: see conclude(). p_after: microseconds.
create or replace function skep.settle_each(
  p_claims uuid[], p_blocks uuid[], p_members text[], p_tags smallint[], p_results bytea[], p_after bigint[],
  p_failures jsonb[], p_submits jsonb[]
) returns table (
  item int, accepted varbit, already varbit, stale varbit, gone varbit, refused varbit, rejection text
)
language plpgsql
as $$
#variable_conflict use_column
declare
  c_none constant bit(128) := repeat('0', 128);
  v_legal record;
  v_after interval;
  v_no jsonb;
begin
  for v_i in 1 .. coalesce(cardinality(p_blocks), 0) loop
    select * into v_legal
    from skep.legal(p_blocks[v_i], p_claims[v_i], p_members[v_i]::varbit::bit(128), p_tags[v_i]) l;
    v_no := null;
    v_after := p_after[v_i] * interval '1 microsecond';
    if v_legal.o_legal = c_none then
      null;
    elsif p_submits[v_i] is null and not exists (
      select 1 from tasks t where t.block = p_blocks[v_i] and t.claim = p_claims[v_i] and t.ties
    ) then
      perform skep.conclude(p_blocks[v_i], p_claims[v_i], v_legal.o_legal, p_tags[v_i], p_results[v_i],
        v_after, p_failures[v_i], null);
    else
      begin
        v_no := skep.conclude(p_blocks[v_i], p_claims[v_i], v_legal.o_legal, p_tags[v_i], p_results[v_i],
          v_after, p_failures[v_i], p_submits[v_i]);
        if v_no is not null then
          raise exception using errcode = 'SK999';
        end if;
      exception when sqlstate 'SK999' then
        null; -- Nothing of it happened.
      end;
    end if;
    item := v_i;
    accepted := case when v_no is null then v_legal.o_legal else c_none end;
    already := v_legal.o_already;
    stale := v_legal.o_stale;
    gone := v_legal.o_gone;
    refused := case when v_no is null then c_none else v_legal.o_legal end;
    rejection := v_no::text;
    return next;
  end loop;
end $$;
