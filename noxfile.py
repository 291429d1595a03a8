"""Every check of this repository, by name: `nox` runs them all, `nox -s lint` runs one."""

import nox

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["lint", "types", "floors", "frameworks", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.error_on_external_run = True

PYPROJECT = nox.project.load_toml("pyproject.toml")

# Large libraries without type information: installing them would teach mypy nothing.
UNTYPED = ("diskcache", "faiss-cpu", "fastembed")

# Folders of tests that the version of openai makes no difference to: run beside one of them.
SAME_ON_BOTH = (
    "bench",
    "checks",
    "config",
    "explain",
    "policies",
    "providers",
    "semantic",
    "signing",
    "strategies",
)


def tools(group: str) -> list[str]:
    """Name what a dependency group of `pyproject.toml` asks for."""
    return list(nox.project.dependency_groups(PYPROJECT, group))


def typed_dependencies() -> list[str]:
    """Name the dependencies that carry type information."""
    return [name for name in PYPROJECT["project"]["dependencies"] if not name.startswith(UNTYPED)]


@nox.session
def lint(session: nox.Session) -> None:
    """Check layout and style."""
    session.install(*tools("lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, of the package and of the way its users are meant to call it."""
    session.install(*tools("types"), *typed_dependencies())
    session.run("mypy", "--strict", "src", "tests/typing", *session.posargs)


@nox.session
def floors(session: nox.Session) -> None:
    """Check that each module imports only what its floor may know."""
    session.install(*tools("floors"))
    session.run("lint-imports", env={"PYTHONPATH": "src"})


@nox.session
@nox.parametrize(
    ("openai", "left_out"),
    [
        nox.param("openai>=2.20,<3", SAME_ON_BOTH, id="openai2"),
        nox.param("openai>=3,<4", (), id="openai3"),
    ],
)
def tests(session: nox.Session, openai: str, left_out: tuple[str, ...]) -> None:
    """Run the tests with one major version of openai; what follows `--` goes to pytest.

    On openai 3 all of them, on openai 2 those in which its version matters.
    """
    session.install("--editable", ".[dev]", openai)
    ignored = [f"--ignore=tests/{folder}" for folder in ("frameworks", *left_out)]
    # Two processes, a file to one of them: most of a file's time is waiting.
    session.run("pytest", "-n", "2", "--dist", "loadfile", *ignored, *session.posargs)


@nox.session
def frameworks(session: nox.Session) -> None:
    """Run the pages on frameworks, with the frameworks as they are now."""
    session.install("--editable", ".", *tools("frameworks"))
    session.run("pytest", "tests/frameworks", *session.posargs)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Measure branch coverage: apart from the tests, for tracing slows what they time."""
    session.install("--editable", ".[dev]")
    session.run("pytest", "--cov", "--cov-report=term-missing:skip-covered", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Run the benchmarks; what follows `--` goes to them."""
    session.install("--editable", ".")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Run the long tests, which the ordinary run leaves out and which no time limit ends."""
    session.install("--editable", ".[dev]")
    session.run("pytest", "-m", "soak", "--timeout=0", *session.posargs)
