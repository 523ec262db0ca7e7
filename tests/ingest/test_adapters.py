"""The public schemas, each on a few lines as their makers write them."""

from datetime import datetime
from decimal import Decimal

from tests.support.landing import Landing

UCI = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
536366,85123a ,white hanging heart,1,2010-12-01 08:28:00,2.55,,United Kingdom
C536379,D,Discount,-1,2011-07-01 09:41:00,27.5,14527.0,United Kingdom
536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom
A563185,B,Adjust bad debt,1,2011-08-12 14:50:00,-11062.06,,United Kingdom
537032,21275,?,-30,2010-12-03 16:50:00,0.0,,United Kingdom
"""
LINES = {"name": "invoices", "adapter": "online_retail", "path": "orders/*"}
NAMES = {"name": "names", "adapter": "online_retail_items", "path": "orders/*"}

JOURNEY = """household_id,store_id,basket_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,week,transaction_timestamp
900,330,31198570044,1095275,2,1.00,0.0,0.0,0.0,1,2017-01-01 11:53:26
1228,406,31198570047,9878513,1,2.99,0.0,0.55,0.0,1,2017-01-01 12:10:28
906,319,31198705046,1020156,0,0.00,0.0,0.0,0.0,1,2017-01-01 12:26:30
"""
PRODUCTS = """product_id,manufacturer_id,department,brand,product_category,product_type,package_size
25671,2,GROCERY,National,FRZN ICE,ICE - CRUSHED/CUBED,22 LB
26093,69,PASTRY,Private,BREAD,BREAD:ITALIAN/FRENCH,
26190,69,MISCELLANEOUS,Private,,,
"""


def test_online_retail_lines_become_purchases_and_refunds(tmp_path):
    landing = Landing(tmp_path, [LINES], zone="Europe/London")
    landing.put("2010-12-01.csv", UCI)
    assert landing.ingest().accepted == 6
    what = "event_type, occurred_at, user_id, session_id, item_id, quantity, price"
    summer = datetime(2011, 7, 1, 8, 41)
    assert landing.events(what)[:3] == [
        ("purchase", datetime(2010, 12, 1, 8, 26), "17850", "536365", "85123A", 6, Decimal("2.55")),
        # Typed in small letters and without a customer: the same product, an unknown buyer.
        ("purchase", datetime(2010, 12, 1, 8, 28), None, "536366", "85123A", 1, Decimal("2.55")),
        ("refund", summer, "14527", "C536379", "D", 1, Decimal("27.5")),
    ]  # fmt: skip
    # Bookings keep their sign and price; cleaning drops them, and counts them.
    assert landing.events("quantity, price")[3:] == [
        (56, 0), (1, Decimal("-11062.06")), (-30, 0)
    ]  # fmt: skip


def test_online_retail_descriptions_are_claims_about_items_at_a_time(tmp_path):
    landing = Landing(tmp_path, [NAMES], zone="Europe/London")
    landing.put("2010-12-01.csv", UCI)
    landing.ingest()
    assert landing.events("item_id, title, price, updated_at::date::varchar", "items") == [
        ("85123A", "WHITE HANGING HEART T-LIGHT HOLDER", Decimal("2.55"), "2010-12-01"),
        ("85123A", "white hanging heart", Decimal("2.55"), "2010-12-01"),
        # Cancellations and lines without a price say nothing about an item.
        ("D", None, None, "2011-07-01"),
        ("22139", None, None, "2010-12-01"),
        ("B", None, None, "2011-08-12"),
        ("21275", None, None, "2010-12-03"),
    ]


def test_complete_journey_lines_become_purchases_at_unit_prices(tmp_path):
    source = {"name": "transactions", "adapter": "complete_journey", "path": "orders/*"}
    landing = Landing(tmp_path, [source], zone="America/New_York")
    landing.put("2017-01-01.csv.gz", JOURNEY)
    assert landing.ingest().accepted == 3
    what = "user_id, order_id, item_id, quantity, price, coupon, occurred_at"
    assert landing.events(what) == [
        ("900", "31198570044", "1095275", 2, Decimal("0.5"), None, datetime(2017, 1, 1, 16, 53, 26)),
        ("1228", "31198570047", "9878513", 1, Decimal("2.99"), "coupon", datetime(2017, 1, 1, 17, 10, 28)),
        ("906", "31198705046", "1020156", 0, None, None, datetime(2017, 1, 1, 17, 26, 30)),
    ]  # fmt: skip


def test_complete_journey_columns_that_it_can_do_without_may_be_missing(tmp_path):
    source = {"name": "transactions", "adapter": "complete_journey", "path": "orders/*"}
    landing = Landing(tmp_path, [source])
    header, line, *_ = JOURNEY.splitlines()
    kept = [
        n for n, name in enumerate(header.split(",")) if name not in ("store_id", "coupon_disc")
    ]
    landing.put(
        "a.csv", "".join(",".join(t.split(",")[n] for n in kept) + "\n" for t in (header, line))
    )
    assert landing.ingest().accepted == 1
    assert landing.events("list_id, coupon") == [(None, None)]


def test_complete_journey_products_are_titled_by_type_and_size(tmp_path):
    source = {"name": "products", "adapter": "complete_journey_products", "path": "orders/*"}
    landing = Landing(tmp_path, [source])
    landing.put("products.csv", PRODUCTS)
    landing.ingest()
    assert landing.events("item_id, title, category_path, brand", "items") == [
        ("25671", "ICE - CRUSHED/CUBED, 22 LB", "GROCERY > FRZN ICE > ICE - CRUSHED/CUBED", "National 2"),
        ("26093", "BREAD:ITALIAN/FRENCH", "PASTRY > BREAD > BREAD:ITALIAN/FRENCH", "Private 69"),
        ("26190", "MISCELLANEOUS", "MISCELLANEOUS", "Private 69"),
    ]  # fmt: skip
