"""The Grafana dashboard, made with Grafana's own SDK from `views.py`."""

from __future__ import annotations

import json
from typing import Any

from grafana_foundation_sdk.builders import (
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models

from observability.views import RESTARTS, ROWS, View, filled

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
MARK = {"titleFormat": "{{cause}}", "textFormat": "{{instance}}", "tagKeys": "cause"}
_HEIGHT = 7
_ROW_WIDTH = 24
_BUILDERS: dict[str, Any] = {
    "timeseries": timeseries.Panel,
    "stat": stat.Panel,
    "heatmap": heatmap.Panel,
    "timeline": statetimeline.Panel,
}


def make() -> str:
    """The dashboard as JSON."""
    made = (
        build.Dashboard("seacod 语音识别")
        .uid("seacod")
        .description("Chinese speech recognition (seacod): what it does, how fast, and why not.")
        .tags(["seacod"])
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(
            build.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
        .with_variable(_variable("job", "Job", "label_values(seacod_build_info, job)"))
        .with_variable(
            _variable("instance", "Host", 'label_values(seacod_build_info{job=~"$job"}, instance)')
        )
        .annotation(
            build.AnnotationQuery()
            .name("重启 Restarts")
            .datasource(SOURCE)
            .enable(True)
            .icon_color("red")
            .expr(filled(RESTARTS))
        )
    )
    number, y = 1, 0
    for row in ROWS:
        made.with_row(
            build.Row(row.title).id(number).grid_pos(models.GridPos(h=1, w=_ROW_WIDTH, x=0, y=y))
        )
        number, y, x = number + 1, y + 1, 0
        for view in row.views:
            if x + view.width > _ROW_WIDTH:
                x, y = 0, y + _HEIGHT
            place = models.GridPos(h=_HEIGHT, w=view.width, x=x, y=y)
            made.with_panel(_panel(view).id(number).grid_pos(place))
            number, x = number + 1, x + view.width
        y += _HEIGHT
    body = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    # The SDK has no words for how a mark is labelled.
    body["annotations"]["list"][0] |= MARK
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def _variable(name: str, label: str, query: str) -> build.QueryVariable:
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(models.VariableOption(text=["All"], value=["$__all"], selected=True))
    )


def _panel(view: View) -> Any:
    panel = (
        _BUILDERS[view.kind]()
        .title(view.title)
        .description(view.question)
        .datasource(SOURCE)
        .unit(view.unit)
    )
    for letter, (query, legend) in zip("ABCD", view.queries, strict=False):
        target = (
            prometheus.Dataquery()
            .expr(filled(query))
            .legend_format(legend)
            .ref_id(letter)
            .datasource(SOURCE)
        )
        if view.kind == "heatmap":
            target = target.format("heatmap")
        panel.with_target(target)
    if view.kind == "timeseries":
        panel.fill_opacity(10).min(0).show_points(common_models.VisibilityMode.NEVER)
        panel.legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
        )
        if view.most is not None:
            panel.max(view.most)
    elif view.kind == "stat":
        panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    elif view.kind == "heatmap":
        panel.calculate(False).y_axis(heatmap.YAxisConfig().unit(view.unit)).color(
            heatmap.HeatmapColorOptions()
            .scheme("Viridis")
            .mode(heatmap_models.HeatmapColorMode.SCHEME)
            .steps(32)
        )
    return panel
