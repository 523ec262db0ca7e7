"""What the shop's rules cost tonight, and what came back from the shelves of earlier nights."""

from __future__ import annotations

from typing import Any

from nightshelf.morning.opened import Opened


def cost(of: Opened) -> dict[str, Any]:
    """Rows of rpt_rule_cost that change a list, the dearest first; the others are counted."""
    if not of.has("rpt_rule_cost"):
        return {}
    found = of.rows(
        """select *, n_lists_changed / nullif(n_lists_compared, 0) as changed,
            ndcg - ndcg_without as ndcg_change,
            (revenue - revenue_without) / nullif(revenue_without, 0) as revenue_change
        from tonight.rpt_rule_cost where rule <> 'every' order by ndcg_change, placement, rule"""
    )
    changing = [row for row in found if row["n_lists_changed"]]
    return {"changing": changing, "n_idle": len(found) - len(changing), "n": len(found)}


def online(of: Opened) -> dict[str, Any]:
    """What the shelves of the last fortnight brought, a shelf a row; and which impressions were joined."""
    if not (of.has("rpt_online_quality") and of.has("rpt_impressions")):
        return {}
    shelves = of.rows(
        """select method, placement, n_slots, n_clicked, ctr, ctr_low, ctr_high, conversion_7d,
            n_lists, hit_rate_10, hit_rate_low, hit_rate_high
        from tonight.rpt_online_quality where dimension = 'all' order by method, placement"""
    )
    impressions = of.rows(
        "select placement, outcome, n_impressions, means from tonight.rpt_impressions"
        " order by placement, n_impressions desc, outcome"
    )
    return {"shelves": shelves, "impressions": impressions}
