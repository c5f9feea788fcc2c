"""Pages of the manual that are generated: a page for each config group, from the yamls, and the list of decisions."""

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from sensorium.cli import commented, configs
from sensorium.cli.help import documented

_DECISIONS = Path(__file__).parents[1] / "docs" / "decisions"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the generated pages to the navigation."""
    assert config.nav is not None
    config.nav.append({"Configuration": [{group: f"configuration/{group}.md"} for group in configs.groups()]})
    config.nav.append({"Decisions": ["decisions.md", *(f"decisions/{path.name}" for path in _decisions())]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Generates the pages."""
    for group in configs.groups():
        files.append(File.generated(config, f"configuration/{group}.md", content=group_page(group)))
    rows = "".join(f"| [{title(path)}](decisions/{path.name}) |\n" for path in _decisions())
    about = "Choices that someone may question, each with context, choice and consequence."
    page = f"# Decisions\n\n{about}\n\n| decision |\n|---|\n{rows}"
    files.append(File.generated(config, "decisions.md", content=page))
    return files


def group_page(group: str) -> str:
    """Every choice of a config group with its keys, their defaults and their comments."""
    parts = [f"# `{group}`\n"]
    for name, description in configs.options(group).items():
        parts.append(f"## {name}\n\n{_text(description)}\n\n```bash\nsensorium train {group}={name}\n```\n")
        rows = [
            f"| `{key}` | {_code(value)} | {_text(comment)} |"
            for key, (value, comment) in documented(commented.lines_of(group, name)).items()
            if value or comment
        ]
        if rows:
            parts.append("\n".join(["| key | default | meaning |", "|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def title(path: Path) -> str:
    """The first heading of a page."""
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _decisions() -> list[Path]:
    return sorted(_DECISIONS.glob("*.md"))


def _text(words: str) -> str:
    return words.replace("|", "&#124;").replace("<", "&lt;")


def _code(value: Any) -> str:
    return f"`{value}`".replace("|", "&#124;") if value else ""
