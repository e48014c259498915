-- When replicas are to be compared again before their turn, as what is in doubt now may show only then; null if they
-- are not. A time of its own: a turn that comes earlier does not answer the doubt.
ALTER TABLE verifications ADD COLUMN recheck_at timestamptz;

CREATE INDEX verifications_to_recheck ON verifications (recheck_at) WHERE recheck_at IS NOT NULL;
