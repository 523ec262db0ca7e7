"""Shows the morning page inside Airflow: *Browse*, then *Morning page* or *Nights*; and beside each run and
each task of a night its tab *Night*: what every step said, without a log.

Wiring only: what is served is `nightshelf.morning.view`. Every process of Airflow imports this file, the
tasks' too, so the view is imported when somebody first looks.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


async def view(scope, receive, send) -> None:
    from nightshelf.morning.view import app

    await app(scope, receive, send)


class NightshelfMorning(AirflowPlugin):
    name = "nightshelf_morning"
    fastapi_apps = [{"app": view, "url_prefix": "/nightshelf", "name": "Nightshelf"}]
    # Without a leading slash: Airflow may be served below a path of a proxy.
    external_views = [
        {
            "name": "Morning page",
            "href": "nightshelf/",
            "url_route": "morning",
            "category": "browse",
            "destination": "nav",
        },
        {
            "name": "Nights",
            "href": "nightshelf/nights",
            "url_route": "nights",
            "category": "browse",
            "destination": "nav",
        },
        {
            "name": "Night",
            "href": "nightshelf/run?run={RUN_ID}",
            "url_route": "night",
            "destination": "dag_run",
        },
        {
            "name": "Night",
            "href": "nightshelf/run?run={RUN_ID}&task={TASK_ID}",
            "url_route": "night_of_task",
            "destination": "task_instance",
        },
    ]
