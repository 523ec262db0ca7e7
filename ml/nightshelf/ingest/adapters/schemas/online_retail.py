"""UCI Online Retail: order lines of a UK web shop (D. Chen, UCI id 352, CC BY 4.0).

One row per invoice line. Invoices that begin with C are cancellations with a negative quantity;
they become refunds of a positive quantity. Other negative quantities are stock bookings without a
customer; they stay negative and are dropped by the cleaning rule for impossible quantities.
Customers are written as floats ("17850.0") because some lines have none.
"""

from nightshelf.ingest.adapters.base import Adapter

LINE = ("InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID")
STOCK_CODE = "upper(trim(StockCode))"
"""85123A and 85123a are one product, typed twice."""

EVENTS = Adapter(
    kind="events",
    required=LINE,
    optional=("Country",),
    expressions={
        "event_type": "case when InvoiceNo like 'C%' then 'refund' else 'purchase' end",
        "occurred_at": "InvoiceDate",
        "user_id": r"regexp_replace(CustomerID, '\.0$', '')",
        "session_id": "InvoiceNo",
        "item_id": STOCK_CODE,
        "quantity": "case when InvoiceNo like 'C%' then ltrim(Quantity, '-') else Quantity end",
        "price": "UnitPrice",
        "order_id": "InvoiceNo",
        "list_id": "Country",
    },
)

# The shop exports no catalogue: each line's description is a claim about its item at that time.
ITEMS = Adapter(
    kind="items",
    claims=True,
    required=(*LINE, "Description"),
    expressions={
        "item_id": STOCK_CODE,
        "title": "case when InvoiceNo not like 'C%' and try_cast(UnitPrice as double) > 0"
        " then Description end",
        "price": "case when InvoiceNo not like 'C%' and try_cast(UnitPrice as double) > 0"
        " then UnitPrice end",
        "updated_at": "InvoiceDate",
    },
)

ADAPTERS = {"online_retail": EVENTS, "online_retail_items": ITEMS}
