"""The published day, played one line at a time with dictionaries: slow and obviously correct.

Shares no code with the model that it checks. Inputs are lists of dicts with the columns of
int_cart_lines, int_replenishment_plan, int_stock_adjustments and int_supply_calendar, all of one
location.
"""

from collections import defaultdict
from datetime import date, timedelta

CARRIED_BY_DAY = ("planned_daily_demand", "reorder_point", "reorder_quantity")
CARRIED_BY_LINE = (
    "product_key",
    "cart_number",
    "customer_key",
    "channel_key",
    "time_key",
    "promotion_key",
    "is_digital",
    "quantity_requested",
    "price_cents",
    "discount_cents",
    "return_lag_days",
    "restock_delay_days",
)
SUBSTITUTE_HAS_ITS_OWN = ("product_key", "price_cents", "discount_cents", "promotion_key")
FIRST, RECOVERY, SUBSTITUTE, LATER_VISIT = 1, 2, 3, 4  # attempts
CARRIED_BY_CART = (
    "customer_key",
    "channel_key",
    "time_key",
    "device_number",
    "is_digital",
    "base_abandonment_rate",
)


def to_date(date_key):
    return date(date_key // 10000, date_key // 100 % 100, date_key % 100)


def to_key(day):
    return day.year * 10000 + day.month * 100 + day.day


# Longer than a screen: a day is read from top to bottom beside the published rules.
def replay(calendar, plan, adjustments, cart_lines, rules):
    """Play every day of the calendar.

    Returns outcomes by (cart_line_id, attempt), carts by (cart_number, attempt), snapshots by
    (product_key, date_key), and events.
    """
    calendar = sorted(calendar, key=lambda day: day["date_key"])
    plan_of = {(row["product_key"], row["month_key"]): row for row in plan}
    ranged_from = {row["product_key"]: row["ranged_from_date_key"] for row in plan}
    liquidated_on = {row["product_key"]: row["liquidation_date_key"] for row in plan}

    available, in_transit = dict.fromkeys(ranged_from, 0), dict.fromkeys(ranged_from, 0)
    for row in plan:
        available[row["product_key"]] += row["opening_available"] or 0
        in_transit[row["product_key"]] += row["opening_in_transit"] or 0
    reserved, damaged, stockout_days = defaultdict(int), defaultdict(int), defaultdict(int)
    last_receipt = {}
    arriving = defaultdict(list)  # date_key -> (product, quantity, ordered on)
    lead_time = timedelta(days=calendar[0]["lead_time_days"])
    since_review = calendar[0]["days_since_review"] or calendar[0]["review_period_days"]
    last_review = to_date(calendar[0]["date_key"]) - timedelta(days=since_review)
    receipt_days = [day["date_key"] for day in calendar if day["is_receipt_day"]]
    for product, quantity in in_transit.items():
        if ranged_from[product] >= calendar[0]["date_key"]:
            due = ranged_from[product]
            ordered_on = to_date(due) - lead_time
        elif receipt_days:
            due, ordered_on = receipt_days[0], last_review
        else:
            continue  # it is still on its way on the last day
        arriving[due].append((product, quantity, to_key(ordered_on)))
    coming_back = defaultdict(list)
    coming_again = defaultdict(list)  # lines of carts that were left, and of shoppers who wait
    written_off = defaultdict(list)
    outcomes, cart_outcomes, snapshots, events = {}, {}, {}, []

    for calendar_day in calendar:
        date_key = calendar_day["date_key"]
        today = to_date(date_key)

        # 1 receipts
        for product, quantity, ordered_on in arriving[date_key]:
            if quantity > 0:
                available[product] += quantity
                in_transit[product] -= quantity
                last_receipt[product] = date_key
                events.append((product, date_key, "receipt", quantity, ordered_on))
        # 2 returns
        for product, quantity in coming_back[date_key]:
            available[product] += quantity
        for product in available:
            if date_key >= liquidated_on[product] and available[product] > 0:
                events.append((product, date_key, "liquidation", available[product], date_key))
                available[product] = 0
        # 3 shipments
        for product in available:
            reserved[product] = 0
        opening = dict(available)

        # 4 triggers
        lines = [dict(line, attempt=1) for line in cart_lines if line["date_key"] == date_key]
        lines += coming_again[date_key]
        carts = defaultdict(list)
        demand = defaultdict(int)
        for line in lines:
            carts[line["cart_number"], line["attempt"]].append(line)
            demand[line["product_key"]] += line["quantity_requested"]
        surviving = []
        for (cart_number, attempt), cart in carts.items():
            low = [x for x in cart if opening[x["product_key"]] < rules.low_inventory_threshold]
            exceeded = calendar_day["is_peak_season"] and any(
                demand[line["product_key"]] > opening[line["product_key"]] for line in cart
            )
            triggered = bool(low) or exceeded
            increase = rules.cart_abandonment_increase if triggered else 0.0
            head = cart[0]
            # 5 abandonment and recovery
            abandoned = comes_back = False
            if head["is_digital"] and attempt == FIRST:
                rate = min(1.0, head["base_abandonment_rate"] + increase)
                abandoned = head["abandonment_draw"] < rate
            if abandoned:
                comes_back = head["recovery_draw"] < max(0.0, rules.cart_recovery_rate - increase)
                if comes_back:
                    back_on = to_key(today + timedelta(days=head["recovery_lag_days"]))
                    coming_again[back_on] += [dict(line, attempt=RECOVERY) for line in cart]
            else:
                surviving += cart
            cart_outcomes[cart_number, attempt] = {name: head[name] for name in CARRIED_BY_CART} | {
                "first_cart_line_id": min(line["cart_line_id"] for line in cart),
                "date_key": date_key,
                "inventory_constrained_items": len(low),
                "low_inventory_trigger": bool(low),
                "capacity_exceeded_trigger": exceeded,
                "is_abandoned": abandoned,
                "is_inventory_caused": abandoned
                and head["abandonment_draw"] >= head["base_abandonment_rate"],
                "is_recovery_due": comes_back,
                "items_count": len(cart),
                "units_requested": sum(line["quantity_requested"] for line in cart),
                "units_allocated": 0,
                "value_cents": sum(
                    line["quantity_requested"] * (line["price_cents"] - line["discount_cents"])
                    for line in cart
                ),
                "order_cents": 0,
                "first_attempt": head.get("first_attempt", attempt),
            }
            for line in cart:
                outcomes[line["cart_line_id"], attempt] = {
                    name: line[name] for name in CARRIED_BY_LINE
                } | {
                    "date_key": date_key,
                    "opening_available": opening[line["product_key"]],
                    "inventory_constrained_items": len(low),
                    "low_inventory_trigger": bool(low),
                    "capacity_exceeded_trigger": exceeded,
                    "is_abandoned": abandoned,
                    "inventory_at_purchase": None,
                    "quantity_allocated": 0,
                    "first_attempt": line.get("first_attempt", attempt),
                    "substitute_product_key": None,
                    "quantity_substituted": 0,
                    "wait_lag_days": None,
                }
                if attempt == LATER_VISIT:  # what somebody waited for is kept
                    outcomes[line["cart_line_id"], attempt] |= {
                        "return_lag_days": None,
                        "restock_delay_days": None,
                    }
        # 6 allocation
        surviving.sort(
            key=lambda x: (
                x["time_key"],
                x["allocation_draw"] if x["attempt"] == FIRST else x["recovery_allocation_draw"],
                x["cart_line_id"],
            )
        )

        def serve(line, wanted, outcome, today=today):
            product = outcome["product_key"]
            got = min(wanted, available[product])
            outcome["inventory_at_purchase"] = available[product]
            outcome["quantity_allocated"] = got
            available[product] -= got
            if line["is_digital"]:
                reserved[product] += got
            if got and outcome["return_lag_days"] is not None:
                wait = line["return_lag_days"] + line["restock_delay_days"]
                coming_back[to_key(today + timedelta(days=wait))].append((product, got))
            order = cart_outcomes[line["cart_number"], line["attempt"]]
            order["units_allocated"] += got
            order["order_cents"] += got * (outcome["price_cents"] - outcome["discount_cents"])
            return got

        short = []
        for line in surviving:
            outcome = outcomes[line["cart_line_id"], line["attempt"]]
            got = serve(line, line["quantity_requested"], outcome)
            missing = line["quantity_requested"] - got
            if missing and line["attempt"] != LATER_VISIT:
                short.append((line, outcome, missing))
        # What nobody chose first goes to who is short, in the same order.
        for line, outcome, missing in short:
            if line["shortage_response"] == "substitute":
                key = line["cart_line_id"], SUBSTITUTE
                own = {name: line[f"substitute_{name}"] for name in SUBSTITUTE_HAS_ITS_OWN}
                outcomes[key] = (
                    outcome
                    | own
                    | {
                        "quantity_requested": missing,
                        "opening_available": opening[line["substitute_product_key"]],
                    }
                )
                got = serve(line, missing, outcomes[key])
                outcome["substitute_product_key"] = line["substitute_product_key"]
                outcome["quantity_substituted"] = got
                cart = cart_outcomes[line["cart_number"], line["attempt"]]
                cart["items_count"] += got > 0
                cart["units_requested"] += got
                cart["value_cents"] += got * (own["price_cents"] - own["discount_cents"])
            if line["shortage_response"] == "wait":
                outcome["wait_lag_days"] = line["wait_lag_days"]
                again = dict(line, attempt=LATER_VISIT, quantity_requested=missing)
                again["first_attempt"] = line["attempt"]
                back_on = to_key(today + timedelta(days=line["wait_lag_days"]))
                coming_again[back_on].append(again)
        # Who comes again and finds nothing leaves without a cart.
        for (cart_number, attempt), cart in carts.items():
            if attempt != LATER_VISIT:
                continue
            looked_for = [outcomes[line["cart_line_id"], attempt] for line in cart]
            taken = [line for line in looked_for if line["quantity_allocated"]]
            low = [x for x in taken if x["opening_available"] < rules.low_inventory_threshold]
            triggers = {
                "inventory_constrained_items": len(low),
                "low_inventory_trigger": bool(low),
                "capacity_exceeded_trigger": calendar_day["is_peak_season"]
                and any(demand[x["product_key"]] > x["opening_available"] for x in taken),
            }
            for line in looked_for:
                line.update(triggers)
            visit = cart_outcomes.pop((cart_number, attempt))
            if taken:
                cart_outcomes[cart_number, attempt] = (
                    visit
                    | triggers
                    | {
                        "first_cart_line_id": min(
                            line["cart_line_id"]
                            for line in cart
                            if outcomes[line["cart_line_id"], attempt]["quantity_allocated"]
                        ),
                        "items_count": len(taken),
                        "units_requested": visit["units_allocated"],
                        "value_cents": visit["order_cents"],
                    }
                )
        # 7 adjustments
        for product, quantity, damaged_on in written_off[date_key]:
            damaged[product] -= quantity
            events.append((product, date_key, "write_off", quantity, damaged_on))
        for adjustment in adjustments:
            if adjustment["date_key"] != date_key:
                continue
            product = adjustment["product_key"]
            quantity = min(adjustment["adjusted_quantity"], available[product])
            if quantity == 0:
                continue
            available[product] -= quantity
            kind = "damage" if adjustment["is_damage"] else "shrinkage"
            events.append((product, date_key, kind, quantity, date_key))
            if adjustment["is_damage"]:
                damaged[product] += quantity
                off = to_key(today + timedelta(days=adjustment["write_off_lag_days"]))
                written_off[off].append((product, quantity, date_key))
        # 8 snapshot
        for product in available:
            if not ranged_from[product] <= date_key < liquidated_on[product]:
                continue
            stockout_days[product] = stockout_days[product] + 1 if available[product] == 0 else 0
            planned = plan_of[product, date_key // 100]
            snapshots[product, date_key] = {name: planned[name] for name in CARRIED_BY_DAY} | {
                "quantity_available": available[product],
                "quantity_reserved": reserved[product],
                "quantity_damaged": damaged[product],
                "quantity_in_transit": in_transit[product],
                "stockout_duration_days": stockout_days[product],
                "last_receipt_date_key": last_receipt.get(product),
            }
        # 9 orders
        arrival = to_key(calendar_day["arrival_date"])
        for product in available:
            is_ranged = ranged_from[product] <= date_key < liquidated_on[product]
            is_reviewed = calendar_day["is_review_day"] and is_ranged
            row = plan_of[product, date_key // 100]
            if date_key > row["last_order_date_key"]:
                is_reviewed = False
            if not is_reviewed and to_key(today + lead_time) != ranged_from[product]:
                continue
            level = row["order_up_to_level"]
            missing = max(0, level - available[product] - in_transit[product])
            quantity = 0
            while quantity < missing:
                quantity += row["pack_units"]
            if quantity < row["minimum_order_units"]:
                quantity = row["minimum_order_units"] if quantity and not is_ranged else 0
            if quantity == 0:
                continue
            if today.day in row["failed_order_days"]:
                events.append((product, date_key, "failed_order", quantity, date_key))
                continue
            events.append((product, date_key, "order", quantity, date_key))
            in_transit[product] += quantity
            arriving[arrival].append((product, quantity, date_key))
    return outcomes, cart_outcomes, snapshots, events
