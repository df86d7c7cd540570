-- The order journal. Times are ISO 8601 with the Korean offset (market time unless the column says wall).

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE lease (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    fence INTEGER NOT NULL,
    holder TEXT NOT NULL,
    heartbeat_wall TEXT NOT NULL,
    heartbeat_market TEXT NOT NULL,
    writes INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE transitions (before TEXT NOT NULL, after TEXT NOT NULL, PRIMARY KEY (before, after)) WITHOUT ROWID;
INSERT INTO transitions VALUES
    ('prepared', 'sending'), ('prepared', 'denied'), ('prepared', 'not_sent'),
    ('sending', 'accepted'), ('sending', 'rejected'), ('sending', 'not_sent'), ('sending', 'unknown'),
    ('sending', 'prepared'),
    ('unknown', 'accepted'), ('unknown', 'not_sent'),
    ('accepted', 'partially_filled'), ('accepted', 'filled'), ('accepted', 'cancelled'), ('accepted', 'rejected'),
    ('partially_filled', 'filled'), ('partially_filled', 'cancelled'),
    ('not_sent', 'accepted'),
    ('cancelled', 'filled');

CREATE TABLE orders (
    order_id TEXT PRIMARY KEY,
    day TEXT NOT NULL,
    signal_key TEXT NOT NULL,
    code TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
    type TEXT NOT NULL CHECK (type IN ('limit', 'market')),
    quantity INTEGER NOT NULL,
    intent_price INTEGER NOT NULL,
    origin TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('entry', 'exit')),
    actor TEXT NOT NULL,
    exit_reason TEXT,
    stop_price INTEGER NOT NULL,
    target_price INTEGER NOT NULL,
    score REAL,
    input_digest TEXT NOT NULL,
    reasons TEXT NOT NULL,
    note TEXT NOT NULL,
    state TEXT NOT NULL,
    price INTEGER NOT NULL,
    reserve_price INTEGER NOT NULL,
    filled INTEGER NOT NULL CHECK (filled >= 0),
    filled_value INTEGER NOT NULL,
    cancelled INTEGER NOT NULL CHECK (cancelled >= 0),
    fees INTEGER NOT NULL,
    taxes INTEGER NOT NULL,
    reason TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    sent_at TEXT,
    unknown_at TEXT,
    fence TEXT NOT NULL,
    needs_person INTEGER NOT NULL DEFAULT 0,
    CHECK (state = 'denied' OR filled + cancelled <= quantity)
);
-- A denied wish was never sent, so its key is free.
CREATE UNIQUE INDEX orders_signal ON orders (signal_key) WHERE state <> 'denied';
CREATE INDEX orders_day ON orders (day);
CREATE INDEX orders_open ON orders (state) WHERE state IN ('prepared', 'sending', 'accepted', 'partially_filled', 'unknown');

CREATE TRIGGER orders_transition BEFORE UPDATE OF state ON orders
WHEN NEW.state <> OLD.state
    AND NOT EXISTS (SELECT 1 FROM transitions WHERE before = OLD.state AND after = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'impossible transition');
END;

CREATE TRIGGER orders_never_unfill BEFORE UPDATE OF filled ON orders WHEN NEW.filled < OLD.filled
BEGIN
    SELECT RAISE(ABORT, 'fills cannot shrink');
END;

CREATE TABLE order_steps (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id TEXT NOT NULL REFERENCES orders (order_id),
    at TEXT NOT NULL,
    wall TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX order_steps_order ON order_steps (order_id);

-- One row for each broker key of an order: the first, and one more for each amend.
CREATE TABLE order_keys (
    day TEXT NOT NULL,
    branch TEXT NOT NULL,
    number TEXT NOT NULL,
    order_id TEXT NOT NULL REFERENCES orders (order_id),
    leg INTEGER NOT NULL,
    filled INTEGER NOT NULL DEFAULT 0,
    filled_value INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (day, branch, number),
    UNIQUE (order_id, leg)
) WITHOUT ROWID;

CREATE TABLE fills (
    day TEXT NOT NULL,
    branch TEXT NOT NULL,
    number TEXT NOT NULL,
    cumulative INTEGER NOT NULL,
    order_id TEXT NOT NULL REFERENCES orders (order_id),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    value INTEGER NOT NULL CHECK (value > 0),
    at TEXT NOT NULL,
    PRIMARY KEY (day, branch, number, cumulative)
) WITHOUT ROWID;
CREATE INDEX fills_order ON fills (order_id);

CREATE TABLE commands (
    command_id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL REFERENCES orders (order_id),
    kind TEXT NOT NULL CHECK (kind IN ('cancel', 'amend')),
    state TEXT NOT NULL CHECK (state IN ('sending', 'accepted', 'rejected', 'not_sent', 'unknown')),
    price INTEGER NOT NULL,
    actor TEXT NOT NULL,
    sent_at TEXT NOT NULL,
    unknown_at TEXT,
    fence TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX commands_open ON commands (state) WHERE state IN ('sending', 'unknown');

CREATE TABLE positions (
    position_id TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity >= 0),
    average_price REAL NOT NULL,
    opened_at TEXT NOT NULL,
    closed_at TEXT,
    stop_price INTEGER NOT NULL,
    target_price INTEGER NOT NULL,
    highest_price INTEGER NOT NULL,
    stop_reason TEXT NOT NULL,
    entry_score REAL,
    entry_reasons TEXT NOT NULL,
    origin TEXT NOT NULL,
    bars_held INTEGER NOT NULL,
    fees INTEGER NOT NULL,
    taxes INTEGER NOT NULL,
    entry_order_id TEXT NOT NULL,
    bought INTEGER NOT NULL,
    bought_value INTEGER NOT NULL,
    sold INTEGER NOT NULL,
    sold_value INTEGER NOT NULL,
    adopted INTEGER NOT NULL,
    exit_reason TEXT
);
CREATE UNIQUE INDEX positions_code ON positions (code) WHERE closed_at IS NULL;
CREATE INDEX positions_closed ON positions (closed_at);

CREATE TABLE adjustments (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    code TEXT NOT NULL,
    before INTEGER NOT NULL,
    after INTEGER NOT NULL,
    actor TEXT NOT NULL
);

CREATE TABLE external_orders (
    day TEXT NOT NULL,
    branch TEXT NOT NULL,
    number TEXT NOT NULL,
    code TEXT NOT NULL,
    side TEXT NOT NULL,
    type TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    price INTEGER NOT NULL,
    at TEXT NOT NULL,
    filled INTEGER NOT NULL,
    filled_value INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    remaining INTEGER NOT NULL,
    PRIMARY KEY (day, branch, number)
) WITHOUT ROWID;

CREATE TABLE frozen_codes (
    code TEXT PRIMARY KEY,
    journal INTEGER NOT NULL,
    broker INTEGER NOT NULL,
    since TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE latches (
    name TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    since TEXT NOT NULL,
    actor TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE equity (
    day TEXT PRIMARY KEY,
    start INTEGER NOT NULL,
    last INTEGER NOT NULL,
    peak INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE decisions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    code TEXT NOT NULL,
    kind TEXT NOT NULL,
    score REAL,
    input_digest TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX decisions_at ON decisions (at);

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    wall TEXT NOT NULL,
    market TEXT NOT NULL,
    actor TEXT NOT NULL,
    platform TEXT NOT NULL,
    verb TEXT NOT NULL,
    arguments TEXT NOT NULL,
    decision TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX audit_market ON audit (market);
