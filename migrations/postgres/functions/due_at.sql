-- When a task may start: kind 0 now, 1 after so many microseconds, 2 at so many since 1970. Not after 9999.
create or replace function skep.due_at(p_kind smallint, p_micros bigint, p_now timestamptz) returns timestamptz
language sql stable parallel safe
as $$
  select case p_kind
    when 0 then p_now
    else least(timestamptz '9999-12-31 00:00:00+00',
      case p_kind when 1 then p_now else timestamptz '1970-01-01 00:00:00+00' end
        + skep.span(greatest(least(p_micros, 253402300799000000), -62135596800000000)))
    end
$$;
