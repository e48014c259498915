-- When each repository's replicas were last compared with one another. Not in the table of the
-- repositories: nobody has to hear of it, and writes have no part in it.
CREATE TABLE verifications (
  id bigint PRIMARY KEY REFERENCES repositories ON DELETE CASCADE,
  -- The place in the queue: who was looked at longest ago comes first. Whoever takes a turn moves it to
  -- the end of its time, so that it comes up again if nothing becomes of it.
  queued_at timestamptz NOT NULL DEFAULT now(),
  -- When all replicas were last seen to be equal; null if never, or not since somebody asked.
  verified_at timestamptz,
  -- What is wrong that only a person can put right.
  finding text
);

CREATE INDEX verifications_in_order ON verifications (queued_at);
CREATE INDEX verifications_with_finding ON verifications (id) WHERE finding IS NOT NULL;

-- Those that are there already have never been verified: it is their turn.
INSERT INTO verifications (id, queued_at) SELECT id, '-infinity' FROM repositories;

-- Older proxies make repositories too, and know nothing of this table.
CREATE FUNCTION queue_for_verification() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO verifications (id) VALUES (NEW.id);
  RETURN NULL;
END
$$;

CREATE TRIGGER queue_for_verification AFTER INSERT ON repositories
  FOR EACH ROW EXECUTE FUNCTION queue_for_verification();
