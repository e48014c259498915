-- How often new repositories go to a storage, as people have set it. For one without a row its free space
-- decides. Drains leave it as it is: who takes one back has nothing to restore.
CREATE TABLE storage_weights (
  virtual_storage text COLLATE "C" NOT NULL,
  storage text COLLATE "C" NOT NULL,
  weight integer NOT NULL CHECK (weight >= 0),
  PRIMARY KEY (virtual_storage, storage)
);
