-- Which storages are to have no clients, since they are about to go. A storage is drained for as long as
-- somebody asks for it; each requester has one row for it at most.
CREATE TABLE drains (
  -- Never used again: what a proxy has reported of one request says nothing of a later one.
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  virtual_storage text COLLATE "C" NOT NULL,
  storage text COLLATE "C" NOT NULL,
  requester text COLLATE "C" NOT NULL,
  reason text NOT NULL,
  -- By class of calls: for how many milliseconds they may go on. No entry: to their end.
  graces jsonb NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (virtual_storage, storage, requester)
);

-- A row says that the proxy has taken note of the request, and which calls it still has running there. It
-- goes with the request.
CREATE TABLE drain_reports (
  drain bigint NOT NULL REFERENCES drains ON DELETE CASCADE,
  owner text COLLATE "C" NOT NULL,
  calls jsonb NOT NULL,
  PRIMARY KEY (drain, owner)
);
