"""report.html: what is in it, and that nothing in it comes from the data as markup."""

import re

import pytest

from report_runs import HOSTILE, write_run
from sensorium.report_sections import Gallery, ReportExample, as_dict, from_dict
from sensorium.reports import page, store
from sensorium.reports.read import read_run


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> str:
    return page.render_run(read_run(write_run(tmp_path_factory.mktemp("runs") / "pets_lenet" / "one")))


def headings(html: str) -> list[str]:
    return re.findall(r"<h2[^>]*>(.*?)</h2>", html)


def test_every_section_is_there(html):
    assert headings(html) == [
        *("Data", "Training", "Metrics", "Confusion matrix", "Classes", "Calibration", "Worst errors", "Predictions"),
        *("Targets", "Scatter", "Transcripts", "Samples", "Reproduce", "Model card"),
    ]
    assert "95% interval 40.00% to 60.00%" in html
    assert re.findall(r"<td class=.number.>([\d.]+%? to [\d.]+%?)</td>", html) == [
        "40.00% to 60.00%",  # the headline's own, by Wilson, and not the bootstrap's
        "1.25 to 1.75",
    ]
    assert "calibrated error" not in html  # of validation, which the test metrics are not
    assert "1 min 15 s" in html
    assert "sensorium train dataset=pets &#39;model.name=&lt;b&gt;&#39;" in html


def test_hostile_names_are_text(html):
    assert HOSTILE not in html
    assert "&lt;script&gt;alert(" in html
    assert html.count("<script") == 1
    assert "{{7*7}}" in html  # a name is no template either
    assert "49" not in re.sub(r"data:[^\"]+", "", html).partition("Worst errors")[2].partition("Predictions")[0]


def test_the_policy_allows_the_own_script_and_style_alone(html):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data:; media-src data:; style-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)
    assert not re.search(r"<[^>]+\sstyle=", html)


def test_charts_are_svg_with_text_and_a_description(html):
    assert html.count('role="img"') == html.count("<desc") == 5  # loss, accuracy, learning rate, calibration, scatter
    assert "validation: 1 values from 0.3 to 0.3, the last 0.3 at 1." in html  # blank and nan cells are no points
    assert "best epoch: 1" in html


def test_a_run_without_report_json_says_what_is_missing(tmp_path):
    run = write_run(tmp_path / "run", stored=False)
    (run.folder / "per_class.csv").write_text(f'class,f1\n"{HOSTILE.replace(chr(34), chr(34) * 2)}",0.25\n')
    run.metrics.unlink()
    html = page.render_run(read_run(run))
    assert headings(html) == ["What is missing", "Training", "Per class", "Reproduce", "Model card"]
    assert "No report.json" in html
    assert "No test metrics" in html
    assert HOSTILE not in html


def test_an_empty_run_folder_gives_a_report(tmp_path):
    run = write_run(tmp_path / "run", stored=False)
    for path in (run.summary, run.metrics, run.history, run.folder / "environment.json"):
        path.unlink()
    (run.folder / store.NAME).write_text("{")
    missing = read_run(run).missing
    assert [line.split(":")[0].split(" (")[0] for line in missing] == [
        "report.json cannot be read",
        "The training has not ended",
        "No curves",
    ]
    assert "What is missing" in page.render_run(read_run(run))


def test_examples_beyond_the_budget_are_left_out_evenly():
    examples = [ReportExample(name=str(number), image="data:image/png;" + "x" * 985) for number in range(100)]
    gallery = Gallery(title="Predictions", examples=examples, total=500, filtered=True)
    (found,) = store.within_budget(store.Stored(task="a", sections=[gallery]), budget=50_000).sections
    assert [one.name for one in found.examples] == [str(number) for number in range(0, 100, 2)]
    assert found.total == 500


def test_sections_survive_json():
    gallery = Gallery(
        title="a",
        examples=[ReportExample(name="b", groups=["c"], image="data:image/png;base64,xx", passages=[])],
        total=1,
    )
    assert from_dict(as_dict(gallery)) == gallery
    stored = as_dict(gallery)
    stored["examples"][0]["image"] = "https://example.org/tracker.png"
    with pytest.raises(TypeError, match="image of an example"):
        from_dict(stored)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "\N{EN DASH}"), (float("nan"), "\N{EN DASH}"), (True, "yes"),
     (12345, "12,345"), (1.0, "1.0000"), (0.25, "0.2500"),
     (1234.56, "1,234.6"), (1e-5, "1e-05"), (12.3456, "12.35")],
)  # fmt: skip
def test_a_cell(value, shown):
    assert page.cell(value) == shown
