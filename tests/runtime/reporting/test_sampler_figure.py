"""The picture of `robot-rl bench samplers`, from rows whose numbers are known."""

from matplotlib.backends.backend_agg import FigureCanvasAgg

from robot_rl.runtime.reporting import sampler_figure
from robot_rl.runtime.reporting.sampler_figure import draw_samplers

SAMPLERS = ("ddpm-100", "ddim-10", "ddim-10, every step", "rti, linear schedule as released", "relay-2", "rtc-5")


def make_row(sampler, delay, success):
    values = {"decision_p50_ms": 1.5, "seam_rms": 2.0, "seam_p95": 4.0, "recovery_p50_ticks": 1.0}
    interval = [success - 0.1, success + 0.1]
    return {"sampler": sampler, "delay": delay, "success": success, "ci95": interval, "recovery_p90_ticks": 3, **values}


def test_legends_cover_nothing_that_was_measured(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(
        sampler_figure, "FigureCanvasAgg", lambda figure: figures.append(figure) or FigureCanvasAgg(figure)
    )
    rows = [make_row(name, delay, 0.15 * (k + 1)) for k, name in enumerate(SAMPLERS) for delay in (0, 2)]
    draw_samplers(rows, "peg", "mm", tmp_path / "a.png")
    (figure,) = figures
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    assert [text.get_text() for text in legends[0].get_texts()] == list(SAMPLERS)
    assert [[text.get_text() for text in legend.get_texts()] for legend in legends[1:]] == [
        ["RMS", "95 %"],
        ["median", "90 %"],
    ]
    for legend in legends:
        place = legend.get_window_extent()
        assert figure.bbox.x0 <= place.x0 < place.x1 <= figure.bbox.x1, "the whole of it is in the picture"
        assert figure.bbox.y0 <= place.y0 < place.y1 <= figure.bbox.y1
        assert not any(place.overlaps(axes.get_window_extent()) for axes in figure.axes)
