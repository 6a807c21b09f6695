"""Nothing that comes from data, weights, archives or a paper's folder is ever run."""

import ast
import tomllib

import pytest

from conftest import TESTS

ROOT = TESTS.parent
ROOMS = ("datasets", "methods", "harness", "tables", "reports")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

# Modules that run what they read, or hand a line to a shell.
FORBIDDEN_MODULES = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
FORBIDDEN_CALLS = {
    "eval", "exec", "os.system", "os.popen", "tarfile.extractall", "shutil.unpack_archive",
    "torch.hub.load", "pandas.read_pickle", "pd.read_pickle",
}  # fmt: skip


def name_of(call: ast.Call) -> str:
    parts = []
    node = call.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "?")
    return ".".join(reversed(parts))


def keyword(call: ast.Call, name: str):
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), None)


def faults(tree: ast.AST) -> list[str]:
    """Return what a source does that data could turn against its reader."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = names if isinstance(node, ast.Import) else [node.module or ""]
            found += [m for m in modules if m.partition(".")[0] in FORBIDDEN_MODULES]
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node)
        if name in FORBIDDEN_CALLS or name.endswith(".extractall"):
            found.append(name)
        pickles = name.endswith("torch.load") and not name.startswith("safetensors.")
        if pickles and keyword(node, "weights_only") != "True":
            found.append("torch.load without weights_only=True")
        if name in {"np.load", "numpy.load"} and keyword(node, "allow_pickle") != "False":
            found.append("np.load without allow_pickle=False")
        if keyword(node, "shell") == "True" or keyword(node, "allow_pickle") == "True":
            found.append(f"{name} with a shell or pickle")
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_no_source_runs_what_it_reads(room):
    """No pickle, no eval, no shell; torch and NumPy load numbers only."""
    for path in SOURCES:
        if path.is_relative_to(ROOT / room):
            assert faults(ast.parse(path.read_text(encoding="utf-8"))) == [], path


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "eval('1')", "torch.load(p)",
        "torch.load(p, weights_only=False)", "np.load(p)", "np.load(p, allow_pickle=True)",
        "subprocess.run(x, shell=True)", "archive.extractall(x)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(source):
    """Each of the constructs is found."""
    assert len(faults(ast.parse(source))) >= 1


def test_every_exception_from_bandit_has_a_reason():
    """What `make audit` skips is listed with a reason behind it, and nothing is listed twice."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    skipped = tomllib.loads(text)["tool"]["bandit"]["skips"]
    lines = text.split("[tool.bandit]")[1].split("]")[0].splitlines()
    for code in skipped:
        (line,) = [line for line in lines if f'"{code}"' in line]
        assert len(line.partition("#")[2].split()) > 5, line
    assert len(set(skipped)) == len(skipped)
