-- The walk of who came short while others were claiming: of the rows that they had locked, something may be
-- left. It waits for them, but not for somebody whose transaction stays open.
create or replace function skep.walk_late(p_claim uuid, p_lane int, p_room int, out o_tids tid[], out o_taken int)
language plpgsql
as $$
declare
  v_before text := current_setting('lock_timeout');
begin
  o_taken := 0;
  if exists (select 1 from tasks t where t.lane = p_lane and not t.later and not t.held) then
    begin
      perform set_config('lock_timeout', '500ms', true);
      select w.o_tids, w.o_taken into o_tids, o_taken
      from skep.walk(p_claim, p_lane, p_room, true, 32767::smallint, -1::smallint, '-infinity', -1) w;
    exception when lock_not_available or deadlock_detected then
      o_tids := null;
      o_taken := 0;
    end;
    perform set_config('lock_timeout', v_before, true);
  end if;
end $$;
