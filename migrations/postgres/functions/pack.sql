-- Packs payloads as Payloads does: how many (2 bytes), where each ends (4 bytes), then all, little-endian.
create or replace function skep.pack(p_payloads bytea[]) returns bytea
language sql immutable parallel safe
as $$
  select substring(skep.le4(count(*)::int) for 2)
    || coalesce(string_agg(skep.le4(e.at), '' order by e.i), '')
    || coalesce(string_agg(e.payload, '' order by e.i), '')
  from (select p.payload, p.i, sum(octet_length(p.payload)) over (order by p.i)::int
        from unnest(p_payloads) with ordinality p (payload, i)) e (payload, i, at)
$$;
