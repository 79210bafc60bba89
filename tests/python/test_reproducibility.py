"""Same seed and variables, same rows: whatever the threads, however many days follow."""

from support import build_tiny, content, differing

DAILY_TABLES = {
    "int_cart_lines": "date_key",
    "int_line_outcomes": "date_key",
    "int_stock_events": "date_key",
    "gold_inventory_fact": "date_key",
    "gold_sales_fact": "date_key",
    "gold_cart_fact": "date_key",
    "gold_inventory_movement_fact": "date_key",
    "gold_lost_sales_fact": "date_key",
    "int_sessions": "date_key",
    "gold_sales_daily_agg": "date_key",
}


def test_threads_and_partitions_do_not_change_the_data(tiny_fingerprints, tmp_path):
    """The tiny world was built with two threads, a partition for each core and large batches."""
    other_plan = {"SAIL_EXECUTION__DEFAULT_PARALLELISM": "5", "SAIL_EXECUTION__BATCH_SIZE": "1000"}
    _, builds = build_tiny(tmp_path, threads=(1, 8), env=other_plan)
    assert "gold_sales_fact" in tiny_fingerprints
    assert [differing(tiny_fingerprints, found) for found in builds] == [[], []]


def test_other_seed_gives_other_rows(tiny_fingerprints, tmp_path):
    _, [other] = build_tiny(tmp_path, random_seed=43)
    for name in DAILY_TABLES:
        assert tiny_fingerprints[name] != other[name], name


def test_shorter_window_has_the_same_days(tiny_world, tmp_path):
    """A window of 30 days is the first 30 days of a longer one, line by line."""
    shorter, _ = build_tiny(tmp_path, date_range_days=30)
    last_date_key = 20251216
    for name, column in DAILY_TABLES.items():
        whole, part = tiny_world.table(name), shorter.table(name)
        dates = whole[column].to_numpy()
        # Sessions are kept as long as web events: the longer window begins later.
        part = part.filter(part[column].to_numpy() >= dates.min())
        assert part.num_rows > 0
        assert content(whole.filter(dates <= last_date_key)) == content(part), name


def test_week_without_complete_figures_is_built(tmp_path):
    """In a week of a spring with few carts, shares of nothing are NULL and no division fails."""
    world, _ = build_tiny(tmp_path, start_date="2025-03-01", date_range_days=7)
    results = world.table("gold_validation_results").to_pylist()
    assert len(results) == 19
    assert [row for row in results if row["is_passed"] is False] == []
