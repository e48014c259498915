-- Which volume each storage has, by the id that its Gitaly keeps there: what the records of the
-- repositories speak of. A storage that shows another one holds nothing of what they say.
CREATE TABLE storage_identities (
  virtual_storage text COLLATE "C" NOT NULL,
  storage text COLLATE "C" NOT NULL,
  filesystem_id text COLLATE "C" NOT NULL,
  -- Another volume that the storage has shown since, and that is about to take its place.
  replacement text COLLATE "C",
  -- Grows with each change: the token of compare-and-swap.
  version bigint NOT NULL,
  PRIMARY KEY (virtual_storage, storage)
);
