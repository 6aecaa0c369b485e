"""What `make check` has to find: a change of a project, and what it says of it."""

import shutil

from tests.planting import (
    all_of,
    append,
    commit_a_cached_output,
    edit_a_score,
    git,
    lose_an_entry,
    mix_entries,
    other_raw_data,
    other_version,
    remove,
    replace,
    set_in_graph,
    write,
)

STALE = "run dvc repro and commit dvc.lock"
IMPORTED = "stages/files/tables.py changed, stages/series/metrics.py changed"
PERSIST = "- data/models/${key}:\n          persist: true\n      plots"
UNCACHED = ("persist: true", "cache: false")
UNPUSHED = ("persist: true", "push: false")
PLANTED = {
    "code that is not declared": (
        replace("dvc.yaml", "    - data/code/summarize.txt\n", ""),
        "dvc.yaml: summarize: data/code/summarize.txt is needed and not among its deps: add it",
    ),
    "code of another stage": (
        replace("dvc.yaml", "data/code/summarize.txt", "data/code/fetch.txt"),
        "dvc.yaml: summarize: data/code/fetch.txt is among its deps and not needed: remove it",
    ),
    "undeclared parameter": (
        replace(
            "stages/ingest.py",
            "    task =",
            '    parameters.section("x", "predict", object)  # type: ignore\n    task =',
        ),
        "dvc.yaml: ingest: tasks.${key}.predict is read and not among its params: add it",
    ),
    "unread parameter": (
        replace(
            "dvc.yaml",
            'params: ["tasks.${key}.kind", "tasks.${key}.ingest"]',
            'params: [seed, "tasks.${key}.kind", "tasks.${key}.ingest"]',
        ),
        "dvc.yaml: ingest: seed is among its params and not read: remove it",
    ),
    "wrong parameter": (
        replace("params.yaml", "epochs: 2", "epochs: two"),
        "params.yaml: tasks.small.train.epochs: expected a valid integer",
    ),
    "missing task in a list": (
        replace("params.yaml", "scale_and_window: [small, own]", "scale_and_window: [small]"),
        "params.yaml: scale_and_window: expected 'own' in this list, as its kind is forecasting",
    ),
    "stale code": (
        append("stages/series/metrics.py", "\nCHANGED = 1\n"),
        f"evaluate@own is stale, {STALE}: stages/series/metrics.py changed",
    ),
    "stale parameter": (
        replace("params.yaml", "units: 2", "units: 3"),
        f"train@own is stale, {STALE}: parameter tasks.own.train modified",
    ),
    "stale command": (
        replace(
            "dvc.yaml",
            "cmd: python -m stages.baseline ${key}",
            "cmd: python -X dev -m stages.baseline ${key}",
        ),
        f"baseline@own is stale, {STALE}: its command changed",
    ),
    "stale code, by a new import": (
        append("stages/files/tables.py", "\nfrom stages.series import metrics  # noqa\n"),
        f"ingest@own is stale, {STALE}: {IMPORTED}",
    ),
    "stale code, by a relative import": (
        append("stages/files/tables.py", "\nfrom ..series import metrics  # noqa\n"),
        f"ingest@own is stale, {STALE}: {IMPORTED}",
    ),
    "stale code, by an import in a function": (
        append("stages/files/tables.py", "\ndef f(): import stages.series.metrics\n"),
        f"ingest@own is stale, {STALE}: {IMPORTED}",
    ),
    "stale code, by an import by name": (
        append(
            "stages/files/tables.py",
            "\nimport importlib\nimportlib.import_module('stages.series.metrics')\n",
        ),
        f"ingest@own is stale, {STALE}: {IMPORTED}",
    ),
    # However Python is called, the code that runs is the same.
    "code that is not declared, called with options": (
        all_of(
            replace("dvc.yaml", "    - data/code/summarize.txt\n", ""),
            replace("dvc.yaml", "python -m stages.summ", "env X=1 python3 -B -um stages.summ"),
        ),
        "dvc.yaml: summarize: data/code/summarize.txt is needed and not among its deps: add it",
    ),
    "code that is not declared, in a list of commands": (
        all_of(
            replace("dvc.yaml", "    - data/code/summarize.txt\n", ""),
            replace(
                "dvc.yaml",
                "cmd: python -m stages.summarize",
                "cmd:\n    - ls\n    - python -X dev stages/summarize.py",
            ),
        ),
        "dvc.yaml: summarize: data/code/summarize.txt is needed and not among its deps: add it",
    ),
    "code that is not declared, in a stage of another name": (
        all_of(
            replace("dvc.yaml", "    - data/code/summarize.txt\n", ""),
            replace("dvc.yaml", "\n  summarize:\n", "\n  sum:\n"),
        ),
        "dvc.yaml: sum: data/code/summarize.txt is needed and not among its deps: add it",
    ),
    "entry of a stage that does not exist": (
        replace("dvc.yaml", "\n  ingest:\n", "\n  read:\n"),
        "dvc.lock: ingest@own: dvc.yaml has no such stage: run python -m tools.repair",
    ),
    "new version of a package": (
        other_version("tensorflow"),
        f"train@own is stale, {STALE}: tensorflow changed",
    ),
    "package that is not pinned": (
        append("stages/files/tables.py", "\nimport torch\n"),
        "stages/files/tables.py: expected imports of packages that requirements.lock pins, "
        "received torch",
    ),
    "undeclared parameter, by another name": (
        append(
            "stages/ingest.py",
            "\nfrom stages.files.parameters import section as part_of\npart_of('x', "
            "stage='predict', model=object)\n",
        ),
        "dvc.yaml: ingest: tasks.${key}.predict is read and not among its params: add it",
    ),
    "section that is no literal": (
        replace(
            "stages/ingest.py",
            "    task =",
            '    parameters.section("x", "pre" + "dict", object)\n    task =',
        ),
        "expected the section's name as a literal, so that dvc.yaml can be compared with it; "
        "received \"'pre' + 'dict'\"",
    ),
    "section without a name": (
        replace("stages/ingest.py", "    task =", '    parameters.section("x")\n    task ='),
        "expected the section's name as a literal, so that dvc.yaml can be compared with it; "
        "received none",
    ),
    "code that is no Python": (
        append("stages/files/tables.py", "\ndef f(:\n"),
        "expected valid Python, received: invalid syntax",
    ),
    "code with a NUL byte": (
        append("stages/files/tables.py", "\0"),
        "expected valid Python, received: ",
    ),
    "code that is not UTF-8": (
        write("stages/files/tables.py", b"x = '\xff'\n"),
        "expected valid Python, received: ",
    ),
    "stale data": (
        other_raw_data,
        f"ingest@own is stale, {STALE}: data/raw/own.csv is no longer what it was made of",
    ),
    "task that never ran": (lose_an_entry, "evaluate@own is stale"),
    "entries that do not belong together": (
        mix_entries,
        f"scale_and_window@own is stale, {STALE}: data/ingested/own is no longer what it was made "
        "of",
    ),
    "edited score": (
        edit_a_score,
        f"summarize is stale, {STALE}: data/metrics is not what the stage wrote",
    ),
    "stage twice": (
        append("dvc.yaml", "stages: {}\n"),
        'expected valid YAML, received: found duplicate key "stages"',
    ),
    "task twice": (append("params.yaml", "  own: {}\n"), 'found duplicate key "own"'),
    "task twice in a list": (
        replace("params.yaml", "[small, own]", "[small, own, own]"),
        "params.yaml: scale_and_window: own is twice in this list: remove one",
    ),
    "dependency twice": (
        replace("dvc.yaml", "    - data/evaluations\n", "    - data/evaluations\n" * 2),
        "dvc.yaml: summarize: data/evaluations is twice among its deps: remove one",
    ),
    "output twice": (
        replace("dvc.yaml", "- data/predictions/${key}", "- data/models/${key}"),
        "DVC: ",
    ),
    "frozen stage": (
        set_in_graph("summarize", frozen=True),
        "dvc.yaml: summarize: frozen hides changes from DVC: remove it",
    ),
    "frozen stage of a task": (
        replace(
            "dvc.yaml",
            "cmd: python -m stages.train ${key}",
            "frozen: true\n      cmd: python -m stages.train ${key}",
        ),
        "dvc.yaml: train: frozen hides changes from DVC: remove it",
    ),
    "stage that always runs": (
        set_in_graph("summarize", always_changed=True),
        "dvc.yaml: summarize: always_changed hides changes from DVC: remove it",
    ),
    "output that persists": (
        replace("dvc.yaml", "- data/models/${key}\n      plots", PERSIST),
        "dvc.yaml: train: data/models/${key}: persist loses the run-cache: remove it",
    ),
    "output that is no longer cached": (
        replace("dvc.yaml", "- data/models/${key}\n      plots", PERSIST.replace(*UNCACHED)),
        "dvc.yaml: train: data/models/${key} is no longer cached",
    ),
    "output that is not pushed": (
        replace("dvc.yaml", "- data/models/${key}\n      plots", PERSIST.replace(*UNPUSHED)),
        "dvc.yaml: train: data/models/${key}: push: false keeps it from others: remove it",
    ),
    "code that DVC does not see": (
        append(".dvcignore", "stages/series\n"),
        ".dvcignore: stages/series is code and hidden from DVC",
    ),
    "file of code that DVC does not see": (
        append(".dvcignore", "metrics.py\n"),
        ".dvcignore: stages/series/metrics.py is code and hidden from DVC",
    ),
    "output that DVC does not see": (append(".dvcignore", "data/models\n"), "DVC: "),
    "raw file that nobody tracks": (
        remove("data/raw/own.csv.dvc"),
        "data/raw/own.csv is raw data that nobody tracks: run dvc add data/raw/own.csv",
    ),
    "raw file that nobody tracks, in a folder": (
        write("data/raw/vectors/own.txt", b"one 1 2\n"),
        "data/raw/vectors/own.txt is raw data that nobody tracks: run dvc add data/raw/vectors/own",
    ),
    "raw file that is missing from Git": (
        git("rm", "-q", "--cached", "data/raw/own.csv.dvc"),
        "data/raw/own.csv.dvc is missing from Git: git add data/raw/own.csv.dvc",
    ),
    "checkpoints in Git": (
        all_of(
            lambda project: (project / "data/checkpoints/own").mkdir(parents=True, exist_ok=True),
            write("data/checkpoints/own/x.npz", b""),
            git("add", "-f", "data/checkpoints"),
        ),
        "data/checkpoints/own/x.npz belongs to one clone alone and is in Git: git rm --cached",
    ),
    "cache in Git": (
        git("add", "-f", ".dvc/cache"),
        " belongs to one clone alone and is in Git: git rm --cached .dvc/cache/",
    ),
    "cached output in Git": (
        commit_a_cached_output,
        "data/models/own/about.json is a cached output and in Git as well",
    ),
    "secret": (
        append(
            ".dvc/config", "['remote \"s\"']\n    url = s3://data\n    secret_access_key = abc\n"
        ),
        "secret_access_key is a secret and in Git",
    ),
    "secret in a URL": (
        append(".dvc/config", "['remote \"s\"']\n    url = ssh://user:pass@example.org/data\n"),
        "url is a secret and in Git",
    ),
    "token in an address": (
        append(".dvc/config", "['remote \"s\"']\n    url = https://abc123@example.org/data\n"),
        "url is a secret and in Git",
    ),
    "signature in an address": (
        append(".dvc/config", "['remote \"s\"']\n    url = https://example.org/data?sig=abc\n"),
        "url is a secret and in Git",
    ),
    "broken dvc.yaml": (
        replace("dvc.yaml", "stages:", "stages: ["),
        "expected valid YAML",
    ),
    "dvc.yaml without stages": (
        write("dvc.yaml", b"metrics: []\n"),
        "dvc.yaml: stages: expected a mapping of stages by name, received None",
    ),
    "dvc.yaml with a list of stages": (
        write("dvc.yaml", b"stages: [a]\n"),
        "expected a mapping of stages by name, received ['a']",
    ),
    "dvc.yaml that is a list": (write("dvc.yaml", b"- a\n"), "dvc.yaml: expected keys such as"),
    "dvc.yaml that is empty": (write("dvc.yaml", b""), "dvc.yaml: expected keys such as"),
    "dvc.yaml that is not UTF-8": (
        write("dvc.yaml", b"stages: {a: {cmd: \xff}}\n"),
        "dvc.yaml: expected UTF-8 text, received other bytes",
    ),
    "no dvc.yaml": (remove("dvc.yaml"), "dvc.yaml in the current folder, found none"),
    "stage that is null": (
        write("dvc.yaml", b"stages: {a: }\n"),
        "dvc.yaml: stages.a: expected a mapping with cmd, deps, params and outs",
    ),
    "stage whose body is a text": (
        write("dvc.yaml", b"stages: {a: {foreach: [1], do: x}}\n"),
        "stages.a: expected a mapping with cmd",
    ),
    "deps that are null": (
        set_in_graph("summarize", deps=None),
        "dvc.yaml: stages.summarize.deps: expected a list, received None",
    ),
    "params that are a number": (
        replace("dvc.yaml", "params: [tasks]", "params: 3"),
        "dvc.yaml: stages.code.params: expected a list, received 3",
    ),
    "stage without a command": (
        replace("dvc.yaml", "cmd: python -m stages.summarize", "desc: x"),
        "DVC: ",
    ),
    "broken lock file": (
        replace("dvc.lock", "stages:", "stages: ["),
        "dvc.lock', YAML file structure is corrupted",
    ),
    "lock file of marks": (write("dvc.lock", b"<<<<<<< ours\n=======\n>>>>>>> theirs\n"), "DVC: "),
    "lock file that is a list": (write("dvc.lock", b"- a\n"), "DVC: "),
    "lock file with an entry that is null": (
        write("dvc.lock", b"schema: '2.0'\nstages: {check: }\n"),
        "DVC: ",
    ),
    "lock file that is not UTF-8": (
        write("dvc.lock", b"schema: '2.0'\nstages: {a: {cmd: \xff}}\n"),
        "DVC: ",
    ),
    "configuration without sections": (
        write(".dvc/config", b"a = 1\n"),
        ".dvc/config: expected sections of keys and values",
    ),
    "configuration that is not UTF-8": (
        write(".dvc/config", b"[core]\nx = \xff\n"),
        ".dvc/config: expected sections of keys and values",
    ),
    "dependency that is a number": (set_in_graph("summarize", deps=[3]), "dvc.yaml"),
    "dependency that is a list": (set_in_graph("summarize", deps=[["a"]]), "DVC: "),
    "params that name a number": (
        set_in_graph("summarize", params=[{"params.yaml": 3}]),
        "dvc.yaml: summarize: params.yaml: expected a list of parameters, received 3",
    ),
    "outs that are a mapping": (
        set_in_graph("summarize", outs={"data/metrics": None}),
        "dvc.yaml: stages.summarize.outs: expected a list",
    ),
    "command that is null": (set_in_graph("summarize", cmd=None), "DVC: "),
    "foreach that is a number": (set_in_graph("train", foreach=3), "DVC: "),
    "foreach over nothing": (set_in_graph("train", foreach="${none}"), "DVC: "),
    "hidden files that are not UTF-8": (write(".dvcignore", b"\xff\n"), "DVC: "),
    "no lock file of packages": (remove("requirements.lock"), "requirements.lock, found none"),
    "code that is a folder": (
        all_of(
            remove("stages/files/tables.py"),
            lambda project: (project / "stages/files/tables.py").mkdir(),
        ),
        "ingest@own is stale",
    ),
    "no folder .dvc": (
        lambda project: shutil.rmtree(project / ".dvc"),
        "expected the folder .dvc beside dvc.yaml, found none",
    ),
}
