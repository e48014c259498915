-- Control state: one row for each repository, and one for each proxy that is alive.
--
-- Keys are compared byte by byte (COLLATE "C"): faster, and no index goes bad when the operating
-- system's collations change.

-- Numbers are never given out again: taking one is durable, and nothing sets the sequence back.
CREATE SEQUENCE repository_ids AS bigint;

-- Every write to a repository changes its row twice. So no index is on what a write changes, and
-- pages keep room for the next version of a row: then the change stays in its page, no index is
-- touched and nothing is left for vacuum (a heap-only tuple).
CREATE TABLE repositories (
  id bigint PRIMARY KEY,
  virtual_storage text COLLATE "C" NOT NULL,
  relative_path text COLLATE "C" NOT NULL,
  replica_path text COLLATE "C" NOT NULL,
  -- Grows with each change: the token of compare-and-swap.
  version bigint NOT NULL,
  epoch bigint NOT NULL,
  lsn bigint NOT NULL,
  primary_storage text COLLATE "C" NOT NULL,
  -- 64-bit numbers in JSON are strings, since JavaScript's numbers have 53 bits.
  replicas jsonb NOT NULL,
  intents jsonb NOT NULL,
  barrier jsonb,
  -- Derived by the proxy: primary and replicas with role and whether they are in sync, in a
  -- canonical form that ordinary writes leave as it is.
  placement text COLLATE "C" NOT NULL,
  -- Derived by the proxy: no intent, no barrier, each replica in sync.
  settled boolean NOT NULL,
  UNIQUE (virtual_storage, relative_path),
  -- So that the key fits into an announcement, even with each byte escaped.
  CONSTRAINT key_is_short CHECK (octet_length(virtual_storage) + octet_length(relative_path) <= 1200)
) WITH (fillfactor = 80);

-- For pages of one virtual storage among others.
CREATE INDEX repositories_by_virtual_storage ON repositories (virtual_storage, id);

-- For sums: read alone, without the rows, and small, since equal placements are stored once.
CREATE INDEX repositories_by_placement ON repositories (virtual_storage, placement);

-- The repositories that are not settled. Not a partial index of the table above: `settled` changes
-- twice with each write, and a change of what an index depends on touches every index.
CREATE TABLE unsettled_repositories (
  id bigint PRIMARY KEY
);

CREATE FUNCTION note_unsettled_repository() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'DELETE' AND NOT NEW.settled THEN
    INSERT INTO unsettled_repositories (id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
  ELSE
    DELETE FROM unsettled_repositories WHERE id = OLD.id;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER note_added_repository AFTER INSERT ON repositories
  FOR EACH ROW WHEN (NOT NEW.settled) EXECUTE FUNCTION note_unsettled_repository();
CREATE TRIGGER note_changed_repository AFTER UPDATE ON repositories
  FOR EACH ROW WHEN (OLD.settled <> NEW.settled) EXECUTE FUNCTION note_unsettled_repository();
CREATE TRIGGER note_removed_repository AFTER DELETE ON repositories
  FOR EACH ROW WHEN (NOT OLD.settled) EXECUTE FUNCTION note_unsettled_repository();

-- Announces every change to the proxies, whoever makes it: with the transaction that makes it, so
-- exactly what is committed is announced, in the order of commits. PostgreSQL carries at most 7,999
-- bytes; of a record that is longer only the key is sent.
CREATE FUNCTION announce_repository() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  announcement text;
BEGIN
  IF TG_OP = 'DELETE' THEN
    announcement := json_build_object(
      'kind', 'removed',
      'id', OLD.id::text,
      'virtual_storage', OLD.virtual_storage,
      'relative_path', OLD.relative_path,
      'version', (OLD.version + 1)::text
    );
  ELSE
    announcement := json_build_object(
      'kind', 'changed',
      'id', NEW.id::text,
      'virtual_storage', NEW.virtual_storage,
      'relative_path', NEW.relative_path,
      'replica_path', NEW.replica_path,
      'version', NEW.version::text,
      'epoch', NEW.epoch::text,
      'lsn', NEW.lsn::text,
      'primary_storage', NEW.primary_storage,
      'replicas', NEW.replicas,
      'intents', NEW.intents,
      'barrier', NEW.barrier
    );
    IF octet_length(announcement) > 7900 THEN
      announcement := json_build_object(
        'kind', 'invalidated',
        'id', NEW.id::text,
        'virtual_storage', NEW.virtual_storage,
        'relative_path', NEW.relative_path
      );
    END IF;
  END IF;
  PERFORM pg_notify('gitaly_repositories', announcement);
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_repository AFTER INSERT OR UPDATE OR DELETE ON repositories
  FOR EACH ROW EXECUTE FUNCTION announce_repository();

-- Which proxies are alive, by this server's clock. Written to disk like everything else: were the
-- leases lost in a crash, a proxy could be taken for dead, and its writes be settled by others,
-- while it still counts on its lease.
CREATE TABLE leases (
  owner text COLLATE "C" PRIMARY KEY,
  expires_at timestamptz NOT NULL
);
