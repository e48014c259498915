-- In which zone a storage is, as the operator or a person has said. One without a row is in none that is known.
CREATE TABLE storage_zones (
  virtual_storage text COLLATE "C" NOT NULL,
  storage text COLLATE "C" NOT NULL,
  zone text COLLATE "C" NOT NULL,
  PRIMARY KEY (virtual_storage, storage)
);
