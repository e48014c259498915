-- The repositories of which some replica is not in sync, or is to go: those with the fewest in-sync replicas first.
--
-- After a storage was away this has a row for nearly every repository, but few placements. Repair decides by
-- placement what is most urgent and what cannot be done now, and reads a page of only those rows. The placements
-- are found by jumping from one to the next in this index, which costs the same with any number of repositories.
-- An ordinary write changes no placement, and so nothing here.
CREATE TABLE repositories_behind (
  id bigint PRIMARY KEY,
  virtual_storage text COLLATE "C" NOT NULL,
  in_sync int NOT NULL,
  placement text COLLATE "C" NOT NULL
);

CREATE INDEX repositories_behind_by_urgency
  ON repositories_behind (virtual_storage, in_sync, placement, id);

-- A placement is ["primary", ["storage", "role", in sync], ...].
CREATE FUNCTION count_in_sync(placement text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT count(*)::int FROM jsonb_array_elements(placement::jsonb - 0) AS replica
  WHERE replica ->> 1 = 'voter' AND (replica -> 2)::boolean
$$;

CREATE FUNCTION note_repository_behind() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  in_sync_voters int;
BEGIN
  IF TG_OP <> 'DELETE' THEN
    in_sync_voters := count_in_sync(NEW.placement);
    IF in_sync_voters < jsonb_array_length(NEW.replicas) THEN
      INSERT INTO repositories_behind (id, virtual_storage, in_sync, placement)
      VALUES (NEW.id, NEW.virtual_storage, in_sync_voters, NEW.placement)
      ON CONFLICT (id) DO UPDATE SET (virtual_storage, in_sync, placement)
        = (excluded.virtual_storage, excluded.in_sync, excluded.placement);
      RETURN NULL;
    END IF;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM repositories_behind WHERE id = OLD.id;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER note_added_placement AFTER INSERT ON repositories
  FOR EACH ROW EXECUTE FUNCTION note_repository_behind();
CREATE TRIGGER note_changed_placement AFTER UPDATE ON repositories
  FOR EACH ROW WHEN (OLD.placement <> NEW.placement) EXECUTE FUNCTION note_repository_behind();
CREATE TRIGGER note_removed_placement AFTER DELETE ON repositories
  FOR EACH ROW EXECUTE FUNCTION note_repository_behind();

INSERT INTO repositories_behind (id, virtual_storage, in_sync, placement)
SELECT id, virtual_storage, count_in_sync(placement), placement FROM repositories
WHERE count_in_sync(placement) < jsonb_array_length(replicas);
