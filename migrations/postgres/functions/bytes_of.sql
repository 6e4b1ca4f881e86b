-- A payload as a worker gets it.
create or replace function skep.bytes_of(p_payload jsonb) returns bytea
language sql stable parallel safe
as $$ select convert_to(p_payload::text, 'UTF8') $$;
