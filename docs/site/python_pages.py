"""The Python reference: one page for each framework-free package, from its docstrings."""

import tomllib
from pathlib import Path

CONTRACT = "framework-free packages know no Django"


def packages(root: Path) -> list[str]:
    """Return the dotted names that import-linter holds to be framework-free: they are the ones with a reference."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return next(contract["source_modules"] for contract in contracts if contract["name"] == CONTRACT)


def uri(name: str) -> str:
    return f"reference/python/{name}.md"


def modules(name: str, root: Path) -> list[str]:
    """Return the package and its modules, in the order of their paths; those without any text are left out."""
    path = root / name.replace(".", "/")
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return [_dotted(file, root) for file in files if file.read_text().strip() and file.name != "__main__.py"]


def page(name: str, root: Path) -> str:
    """Return the Markdown of a page; mkdocstrings fills in what each module holds."""
    entries = "\n\n".join(f"::: {module}\n    options:\n      heading_level: 2" for module in modules(name, root))
    return (
        f"# {name}\n\nFramework-free: values in, values out. It imports neither Django nor its settings (`make lint` "
        f"checks that).\n\n{entries}\n"
    )


def _dotted(file: Path, root: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
