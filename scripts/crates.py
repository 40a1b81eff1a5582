"""The packages that the program is made of, as cargo resolves them for the platform it is built for."""

import json
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


@dataclass
class Crate:
    id: str
    name: str
    version: str
    licence: str | None
    source: str | None
    description: str | None
    repository: str | None
    checksum: str | None
    is_ours: bool
    """Ids of what it needs at run time or to be built; tests and benches are not in it."""
    needs: list[str] = field(default_factory=list)

    def __str__(self):
        return f"{self.name} {self.version}"


def settings():
    return tomllib.loads((ROOT / "deny.toml").read_text())


def platform():
    return settings()["graph"]["targets"][0]


def cargo(*command):
    return subprocess.run(["cargo", *command], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def metadata():
    return json.loads(cargo("metadata", "--format-version", "1", "--locked", "--filter-platform", platform()))


def built_for_the_program():
    """Name and version of what is compiled: `cargo metadata` also names what features that are off would need."""
    tree = cargo("tree", "--locked", "-p", "tallybook", "--target", platform(), "-e", "normal,build", "--prefix", "none")
    lines = (line.split() for line in tree.splitlines() if line)
    return {(words[0], words[1].removeprefix("v")) for words in lines}


def crates():
    """Id to crate: the program and all that it is built from; what only tests need is left out."""
    found, locked, compiled = metadata(), lock(), built_for_the_program()
    clarified = {c["crate"]: c["expression"] for c in settings()["licenses"].get("clarify", [])}
    packages = {p["id"]: p for p in found["packages"]}
    nodes = {n["id"]: n for n in found["resolve"]["nodes"]}
    members = set(found["workspace_members"])
    program = next(id for id in members if packages[id]["name"] == "tallybook")
    built, waiting = {}, [program]
    while waiting:
        id = waiting.pop()
        if id in built:
            continue
        package = packages[id]
        needs = [d["pkg"] for d in nodes[id]["deps"] if any(k["kind"] != "dev" for k in d["dep_kinds"])]
        needs = [n for n in needs if (packages[n]["name"], packages[n]["version"]) in compiled]
        built[id] = Crate(
            id=id,
            name=package["name"],
            version=package["version"],
            licence=package["license"] or clarified.get(package["name"]),
            source=package["source"],
            description=package["description"],
            repository=package["repository"],
            checksum=locked.get((package["name"], package["version"])),
            is_ours=id in members,
            needs=sorted(needs),
        )
        waiting.extend(needs)
    return dict(sorted(built.items(), key=lambda item: (item[1].name, item[1].version)))


def lock():
    """Name and version to the checksum that Cargo.lock pins."""
    packages = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    return {(p["name"], p["version"]): p.get("checksum") for p in packages}
