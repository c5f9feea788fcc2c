"""The worst errors of a run, explained, as a section of its report: `sensorium report RUN explain=true`."""

from dataclasses import replace

from sensorium import checkpoint
from sensorium.build import device_of, loaded_model
from sensorium.cli.explain import split_examples
from sensorium.errors import RequestError
from sensorium.report_sections import Gallery
from sensorium.reports import store
from sensorium.run_folder import RunFolder
from sensorium.tasks import registry
from sensorium.tasks.explanation import ExplainOptions

TITLE = "Worst errors, explained"
COUNT = 3
_LEGEND = (
    "In images, red supports a target and blue opposes it; words on green support it, and those underlined with dots "
    "oppose it."
)


def explain_worst(run: RunFolder) -> None:
    """Puts the section into report.json, in place of an earlier one.

    Raises RequestError for a task without explanations, and for a run that was not tested or has no report.json.
    """
    try:
        stored = store.read(run.folder)
    except ValueError as error:
        raise RequestError(f"{run.folder / store.NAME} is damaged ({error}): explain=true adds to it.") from error
    if stored is None:
        raise RequestError(f"{run.folder} has no {store.NAME}, which explain=true adds to: its training has not ended.")
    section = _section(run)
    sections = [one for one in stored.sections if one.title != TITLE]
    titles = [one.title for one in sections]
    place = titles.index("Worst errors") + 1 if "Worst errors" in titles else len(sections)
    sections.insert(place, section)
    store.write(run.folder, store.within_budget(replace(stored, sections=sections)))


def _section(run: RunFolder) -> Gallery:
    loaded = checkpoint.read(run.best)
    task, options = registry.of(loaded.spec), ExplainOptions(choice=loaded.explanation)
    task.check_explain_options(options, loaded.spec)
    rows = task.worst_rows(run.folder, COUNT)
    examples = split_examples(loaded, task, rows, "test", trust=False) if rows else []
    explainer = task.explainer(loaded_model(loaded, device=device_of("auto"), trust=False), options)
    cards = [card for found in explainer.explain(examples) for card in found.cards()]
    note = " ".join([_LEGEND if cards else "The run has no errors on its test split.", *explainer.notes()])
    return Gallery(title=TITLE, examples=cards, total=len(cards), note=note)
