-- The least rights that pool-poller needs on PostgreSQL, as roles without login:
--
--   pool_poller_migrate   makes and updates the tables, and owns them (`pool-poller migrate`)
--   pool_poller_run       the daemon (`pool-poller run`), and every command that only reads
--   pool_poller_operate   an operator: the daemon's rights, and decisions about money and players
--
-- Run it in the game's database as a superuser (or as who may create roles and owns the schema), once before the first
-- `pool-poller migrate` and once after each:
--
--   psql "$ADMIN_URL" -v ON_ERROR_STOP=1 -f deploy/grants.sql
--
-- It can be run any number of times. Then give each login its role:
--
--   CREATE ROLE pool_poller LOGIN PASSWORD '…' IN ROLE pool_poller_run;
--
-- The tables belong to the login that ran `migrate`. Where the game, or the service that pool-poller replaces, made `players`,
-- `pool_snapshots` and `mining_events` before, `migrate` must be run as the owner of these tables. The game's own login needs what it does itself, at least:
--
--   GRANT SELECT, INSERT, UPDATE, DELETE ON players TO the_game;
--   GRANT USAGE ON SEQUENCE players_id_seq TO the_game;
--   GRANT SELECT ON mining_events, pool_snapshots TO the_game;

DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['pool_poller_migrate', 'pool_poller_run', 'pool_poller_operate'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
    EXCEPTION
      -- Roles are the whole server's: another database, or another session at this moment, may have made it.
      WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
END
$$;

GRANT USAGE, CREATE ON SCHEMA public TO pool_poller_migrate;
GRANT USAGE ON SCHEMA public TO pool_poller_run, pool_poller_operate;

DO $$
DECLARE
  role_name text;
BEGIN
  IF to_regclass('public.listed_payouts') IS NULL THEN
    RAISE NOTICE 'there are no tables yet: run this again after `pool-poller migrate`';
    RETURN;
  END IF;

  FOREACH role_name IN ARRAY ARRAY['pool_poller_run', 'pool_poller_operate'] LOOP
    -- What every command reads.
    EXECUTE format('GRANT SELECT ON seaql_migrations, players, player_wallets, positions, position_rebases, mining_events, '
      'pool_snapshots, anomalies, listed_payouts TO %I', role_name);
    -- A batch of readings: positions, events, totals, snapshots, anomalies. Never a player's name, wallet or flags.
    EXECUTE format('GRANT UPDATE (total_ap, total_advc_mined, event_sequence, last_mining_event, updated_at) ON players TO %I',
      role_name);
    EXECUTE format('GRANT INSERT, UPDATE ON positions TO %I', role_name);
    EXECUTE format('GRANT INSERT ON pool_snapshots, anomalies, listed_payouts TO %I', role_name);
    -- An event as it is found. The columns of a decision are an operator's: without them nobody can take an award back.
    EXECUTE format('GRANT INSERT (player_id, pool_name, advc_amount, ap_awarded, previous_paid, current_paid, event_time, processed, '
      'notified, event_id, position_id, position_sequence, player_sequence, address, native_amount, native_previous, '
      'native_current, currency, rate, status, hold_reason, total_ap_after, total_advc_after, delivery_attempts, '
      'next_attempt_at, delivery_dead, epoch, ap_per_advc) ON mining_events TO %I', role_name);
    EXECUTE format('GRANT UPDATE (resolved_at, resolved_by, resolution) ON anomalies TO %I', role_name);
    EXECUTE format('GRANT USAGE ON SEQUENCE positions_id_seq, mining_events_id_seq, pool_snapshots_id_seq, anomalies_id_seq, '
      'listed_payouts_id_seq TO %I', role_name);
    -- What became of a notice. Nothing else of an event is the daemon's to change.
    EXECUTE format('GRANT UPDATE (notified, delivery_attempts, next_attempt_at, delivery_dead) ON mining_events TO %I', role_name);
    -- Old snapshots go.
    EXECUTE format('GRANT DELETE ON pool_snapshots TO %I', role_name);
    -- A backup by pg_dump reads the sequences too.
    EXECUTE format('GRANT SELECT ON SEQUENCE players_id_seq, player_wallets_id_seq, positions_id_seq, position_rebases_id_seq, '
      'mining_events_id_seq, pool_snapshots_id_seq, anomalies_id_seq, listed_payouts_id_seq TO %I', role_name);
  END LOOP;

  -- An operator's decisions. A reversal is an event of its own.
  GRANT INSERT ON mining_events TO pool_poller_operate;
  -- What was found (amounts, counters, rate) is nobody's to change.
  GRANT UPDATE (status, processed, ap_awarded, ap_per_advc, player_sequence, total_ap_after, total_advc_after, decided_at,
    decided_by, decision_reason) ON mining_events TO pool_poller_operate;
  GRANT INSERT ON position_rebases TO pool_poller_operate;
  GRANT USAGE ON SEQUENCE position_rebases_id_seq TO pool_poller_operate;
  GRANT INSERT, UPDATE ON players TO pool_poller_operate;
  GRANT INSERT, UPDATE, DELETE ON player_wallets TO pool_poller_operate;
  GRANT USAGE ON SEQUENCE players_id_seq, player_wallets_id_seq TO pool_poller_operate;
END
$$;
