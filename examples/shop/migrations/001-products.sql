-- The first products; a migration may run again after an interrupted update, so every statement may be repeated.
BEGIN;
CREATE TABLE IF NOT EXISTS product (
    name        text PRIMARY KEY,
    price_cents integer NOT NULL CHECK (price_cents >= 0)
);
INSERT INTO product VALUES ('apple', 40), ('bread', 320), ('cheese', 890) ON CONFLICT DO NOTHING;
COMMIT;
