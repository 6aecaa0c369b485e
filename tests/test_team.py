"""The recipes of SHARING.md, run as they stand there: two clones, a bare Git repository, and
remotes of each sort."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.files.writing import sha256_of
from tests.conftest import Do, Run
from tests.test_pipeline import edit
from tools.check import faults


def cloned(name: str, tmp_path: Path, do: Do) -> Path:
    (tmp_path / name).mkdir()
    assert "Data and pipelines are up to date." in do("clone", tmp_path / name)
    return tmp_path / name / "project"


def stages_run(said: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", said))


def summary(project: Path) -> dict[str, dict[str, float]]:
    return json.loads((project / "data/metrics/summary.json").read_text())


def numbers(factor: int) -> str:
    return "y\n" + "".join(f"{(step * factor) % 11 + 0.5}\n" for step in range(110))


@pytest.mark.slow
def test_the_story_of_a_team(ann: Path, tmp_path: Path, do: Do, run: Run) -> None:
    do("remote", ann)
    bob = cloned("bob", tmp_path, do)
    assert not stages_run(run(bob, "dvc", "repro").stdout)
    before = summary(bob)

    # New data: its task alone runs, and all can go back and forth.
    (tmp_path / "home/newer.csv").write_text(numbers(3))
    said = do("new data", ann)
    assert {stage.split("@")[-1] for stage in stages_run(said)} == {"own", "summarize"}
    assert {
        line.split()[1].split(".")[0]
        for line in said.splitlines()
        if line.startswith("data/metrics/summary.json")
    } == {"own"}
    do("take over", bob)
    assert (bob / "data/raw/own.csv").read_text() == numbers(3)
    assert summary(bob) == summary(ann) != before
    assert not stages_run(run(bob, "dvc", "repro").stdout)
    do("back", bob)
    assert (bob / "data/raw/own.csv").read_text() != numbers(3)
    assert summary(bob) == before
    assert "up to date" in run(bob, "dvc", "status").stdout
    do("forth", bob)
    assert (bob / "data/raw/own.csv").read_text() == numbers(3)
    assert summary(bob) == summary(ann)

    # An experiment changes hands without a commit on a branch.
    usual = summary(ann)
    do("experiment", ann)
    wider = summary(ann)
    assert wider["own"] != usual["own"]
    run(ann, "git", "checkout", "-q", ".")
    run(ann, "dvc", "checkout", "-q")
    shown = do("compare", bob)
    assert "wider" in shown
    assert summary(bob) == wider
    assert "up to date" in run(bob, "dvc", "status").stdout
    run(bob, "git", "checkout", "-q", ".")
    run(bob, "dvc", "checkout", "-q")

    # Both work on different tasks: Git merges, nothing is trained again.
    edit(ann, "simple_rnn, units: 2", "simple_rnn, units: 4")
    run(ann, "dvc", "repro", "-q")
    run(ann, "git", "commit", "-qam", "own")
    run(ann, "dvc", "push", "-q")
    run(ann, "git", "push", "-q")
    edit(bob, "lstm, units: 4", "lstm, units: 5")
    run(bob, "dvc", "repro", "-q")
    run(
        bob,
        "git",
        "-c",
        "user.name=bob",
        "-c",
        "user.email=bob@example.org",
        "commit",
        "-qam",
        "verses",
    )
    said = do("merge", bob)
    assert "both sides changed what code, check, summarize are made of: run dvc repro" in said
    assert stages_run(said) <= {"code", "check", "summarize"}
    both = summary(bob)
    assert both["own"] == summary(ann)["own"]
    assert both["verses"] != usual["verses"]
    assert both["small"] == usual["small"]
    do("take over", ann)
    assert summary(ann) == both
    assert "up to date" in run(ann, "dvc", "status").stdout


@pytest.mark.slow
def test_only_what_one_task_needs(ann: Path, tmp_path: Path, do: Do, run: Run) -> None:
    do("remote", ann)
    run(tmp_path, "git", "clone", "-q", "project.git", "carol")
    do("part", tmp_path / "carol")
    found = {
        path.relative_to(tmp_path / "carol").as_posix()
        for path in (tmp_path / "carol/data").glob("*/*")
    }
    assert {"data/models/small", "data/predictions/small", "data/raw/hourly.csv"} <= found
    assert not found & {"data/models/own", "data/models/verses", "data/raw/own.csv"}
    assert not list(faults(tmp_path / "carol"))


@pytest.mark.slow  # that Git merges by stage is proven by test_git_merge.py
def test_two_people_who_each_add_a_task(ann: Path, tmp_path: Path, do: Do, run: Run) -> None:
    do("remote", ann)
    bob = cloned("bob", tmp_path, do)
    before = (ann / "params.yaml").read_text()
    own = before[before.index("  own:") : before.index("  verses:\n    kind")]

    def added(text: str, name: str) -> str:
        text = text.replace("scale_and_window: [", f"scale_and_window: [{name}, ")
        return text + own.replace("own:", f"{name}:").replace("raw/own", f"raw/{name}")

    for person, name in ((ann, "first"), (bob, "second")):
        (person / f"data/raw/{name}.csv").write_text(numbers(5))
        run(person, "dvc", "add", "-q", f"data/raw/{name}.csv")
        (person / "params.yaml").write_text(added(before, name))
        assert stages_run(run(person, "dvc", "repro").stdout) >= {
            "check",
            f"train@{name}",
            "summarize",
        }
        run(person, "git", "add", "-A")
        run(
            person,
            "git",
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@example.org",
            "commit",
            "-qm",
            name,
        )
        run(person, "dvc", "push", "-q")
    run(ann, "git", "push", "-q")

    # Git cannot know how the two lists in params.yaml go together; all else merges by itself.
    done = run(bob, "git", "pull", "-q", "--no-rebase", ok=False)
    assert "code, check, summarize" in done.stderr
    assert run(bob, "git", "diff", "--name-only", "--diff-filter=U").stdout.split() == [
        "params.yaml"
    ]
    (bob / "params.yaml").write_text(added(added(before, "first"), "second"))
    run(bob, "dvc", "pull", "-q", "--allow-missing", "--run-cache")
    assert stages_run(run(bob, "dvc", "repro").stdout) <= {"code", "check", "summarize"}
    assert {"first", "second"} <= summary(bob).keys()
    assert not list(faults(bob))


def test_data_that_is_kept_elsewhere(ann: Path, tmp_path: Path, do: Do) -> None:
    store = tmp_path / "home/store"
    store.mkdir()
    (store / "prices.csv").write_text("y\n1\n")
    do("import", ann)
    (store / "prices.csv").write_text("y\n1\n2\n")
    assert (ann / "data/raw/prices.csv").read_text() == "y\n1\n"
    do("update", ann)
    assert (ann / "data/raw/prices.csv").read_text() == "y\n1\n2\n"


@pytest.mark.slow
def test_one_cache_for_many_clones(ann: Path, tmp_path: Path, do: Do, run: Run) -> None:
    do("remote", ann)
    bob = cloned("bob", tmp_path, do)
    do("cache", bob)
    shared = {path.stat().st_ino for path in (tmp_path / "srv/cache").rglob("*") if path.is_file()}
    models = [path for path in (bob / "data/models").rglob("*") if path.is_file()]
    assert models
    assert all(path.stat().st_ino in shared for path in models)
    assert "up to date" in run(bob, "dvc", "status").stdout
    before = (bob / "data/raw/own.csv").read_bytes()
    (tmp_path / "home/newer.csv").write_text(numbers(3))
    do("new data", bob)
    do("back", bob)
    assert (bob / "data/raw/own.csv").read_bytes() == before


@pytest.mark.slow
def test_cleaning_up_keeps_what_branches_and_experiments_use(ann: Path, do: Do, run: Run) -> None:
    """Branch: the first data. Experiment: another. Used by neither: a third."""

    def objects() -> set[str]:
        return {path.parent.name + path.name for path in (ann / ".dvc/cache/files/md5").glob("*/*")}

    def add(factor: int) -> str:
        (ann / "data/raw/own.csv").unlink(missing_ok=True)
        (ann / "data/raw/own.csv").write_text(numbers(factor))
        run(ann, "dvc", "add", "-q", "data/raw/own.csv")
        return re.findall(r"md5: (\w{32})", (ann / "data/raw/own.csv.dvc").read_text())[0]

    unused = add(5)
    tried = add(4)
    run(ann, "dvc", "exp", "save", "--name", "tried")
    run(ann, "git", "checkout", "-q", ".")
    run(ann, "dvc", "checkout", "-q")
    assert {unused, tried} <= objects()
    do("clean", ann)
    assert unused not in objects()
    assert tried in objects()
    shutil.rmtree(ann / "data/models")
    run(ann, "dvc", "checkout", "-q")
    assert "up to date" in run(ann, "dvc", "status").stdout


@pytest.mark.slow
def test_a_damaged_object_in_the_remote_is_found_and_named(
    ann: Path, tmp_path: Path, do: Do, run: Run
) -> None:
    do("remote", ann)
    md5 = re.findall(r"md5: (\w{32})", (ann / "data/raw/own.csv.dvc").read_text())[0]
    stored = tmp_path / f"srv/reprise/files/md5/{md5[:2]}/{md5[2:]}"
    stored.chmod(0o644)
    stored.write_text("y\n0\n")
    run(tmp_path, "git", "clone", "-q", "project.git", "bob")
    bob = tmp_path / "bob"
    done = run(bob, "dvc", "pull", ok=False)
    assert done.returncode != 0
    assert "own.csv" in done.stderr
    assert not (bob / "data/raw/own.csv").exists()
    # DVC removed it from the remote; everything else arrived. After a second push a second pull
    # completes.
    assert not stored.exists()
    assert (bob / "data/models/small").exists()
    run(ann, "dvc", "push", "-q")
    run(bob, "dvc", "pull", "-q")
    assert "up to date" in run(bob, "dvc", "status").stdout


@pytest.mark.slow
def test_an_interrupted_push_completes_the_second_time(
    ann: Path, tmp_path: Path, do: Do, run: Run, environment: dict[str, str]
) -> None:
    remote = tmp_path / "srv/reprise"
    run(ann, "dvc", "remote", "add", "--default", "team", str(remote))
    with subprocess.Popen(
        ["dvc", "push"],
        cwd=ann,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as push:
        while push.poll() is None and not list(remote.glob("files/md5/*/*")):
            time.sleep(0.001)
        push.kill()
    run(ann, "git", "commit", "-qam", "remote")
    run(ann, "git", "push", "-q")
    run(ann, "dvc", "push", "-q")
    cloned("bob", tmp_path, do)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    for _ in range(3000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A real OpenSSH server on loopback: its port, and the key of the only one who may enter."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if server is None:
        pytest.skip("no OpenSSH server: apt-get install openssh-server")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "ann"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile "
        f"{folder}/ann.pub\n"
        "PasswordAuthentication no\nStrictModes no\nUsePAM no\nPidFile none\nSubsystem sftp "
        "internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd separates its privileges there
    with subprocess.Popen(
        [server, "-D", "-e", "-f", folder / "config"], stderr=subprocess.DEVNULL
    ) as process:
        wait_for(port)
        yield port, folder / "ann"
        process.terminate()


@pytest.mark.slow
def test_a_remote_behind_ssh(
    ann: Path, tmp_path: Path, do: Do, run: Run, ssh: tuple[int, Path], environment: dict[str, str]
) -> None:
    port, key = ssh
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    address = {"ann@data.example.org:22": f"{user}@127.0.0.1:{port}", "~/.ssh/id_ed25519": str(key)}
    do("ssh", ann, **address)
    assert "keyfile" not in (ann / ".dvc/config").read_text()
    arrives(ann, tmp_path, run, "team-ssh", {"keyfile": str(key)})


@pytest.mark.slow
def test_a_remote_that_speaks_s3(ann: Path, tmp_path: Path, do: Do, run: Run) -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        wait_for(port)
        import boto3

        keys = {
            "aws_access_key_id": "KEY",
            "aws_secret_access_key": "SECRET",
            "region_name": "us-east-1",
        }
        boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys).create_bucket(
            Bucket="bucket"
        )
        do("s3", ann, **{"https://s3.example.org": f"http://127.0.0.1:{port}"})
        assert "SECRET" not in (ann / ".dvc/config").read_text()
        arrives(
            ann, tmp_path, run, "team-s3", {"access_key_id": "KEY", "secret_access_key": "SECRET"}
        )
        server.terminate()


def arrives(ann: Path, tmp_path: Path, run: Run, remote: str, secrets: dict[str, str]) -> None:
    """Somebody else, who has the secrets, gets what Ann has."""
    run(ann, "git", "commit", "-qam", "remote")
    run(ann, "git", "push", "-q")
    run(tmp_path, "git", "clone", "-q", "project.git", "bob")
    for name, value in secrets.items():
        run(tmp_path / "bob", "dvc", "remote", "modify", "--local", remote, name, value)
    run(tmp_path / "bob", "dvc", "pull", "-q", "--remote", remote)
    for name in ("data/models/small/model.keras", "data/raw/own.csv"):
        assert sha256_of(tmp_path / "bob" / name) == sha256_of(ann / name)
    assert "up to date" in run(tmp_path / "bob", "dvc", "status").stdout
