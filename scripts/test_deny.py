"""What scripts/deny takes for allowed, and what for an advisory that concerns us."""

import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("deny", str(FOLDER / "deny"))
deny = importlib.util.module_from_spec(importlib.util.spec_from_loader("deny", loader))
loader.exec_module(deny)

ADVISORY = """```toml
[advisory]
id = "RUSTSEC-2026-9999"
package = "leaky"
[versions]
patched = ["^1.2.5", ">= 2.0.1"]
unaffected = ["< 1.1"]
```

# It leaks
"""


class Crate(SimpleNamespace):
    def __str__(self):
        return f"{self.name} {self.version}"


def crate(name, version="1.0.0"):
    return Crate(name=name, version=version)


class Deny(unittest.TestCase):
    def test_versions_are_in_a_requirement_as_cargo_has_them(self):
        for version, requirement, is_in in [
            ("1.2.5", ">= 1.2.5", True), ("1.2.5-rc.1", ">= 1.2.5", False), ("1.9.0", "^1.2.5", True),
            ("2.0.0", "^1.2.5", False), ("0.4.9", "^0.4.1", True), ("0.5.0", "^0.4.1", False), ("0.0.4", "^0.0.3", False),
            ("1.2.9", "~1.2", True), ("1.3.0", "~1.2", False), ("1.2.3", "=1.2.3", True), ("1.2.4", "=1.2.3", False),
            ("1.5.0", ">= 1.2, < 1.6", True), ("1.6.0", ">= 1.2, < 1.6", False), ("7.4.0", "7", True), ("8.0.0", "7", False),
        ]:  # fmt: skip
            self.assertEqual(deny.matches(version, requirement), is_in, (version, requirement))

    def test_an_expression_is_satisfied_by_what_is_allowed(self):
        for expression, met in [
            ("MIT OR Apache-2.0", {"MIT"}), ("GPL-3.0 OR MIT", {"MIT"}), ("GPL-3.0", set()), ("MIT/Apache-2.0", {"MIT"}),
            ("GPL-3.0 AND MIT", set()), ("(MIT OR GPL-3.0) AND ISC", {"MIT", "ISC"}), ("Apache-2.0 WITH LLVM-exception", set()),
            ("ISC AND (GPL-3.0 OR ISC)", {"ISC"}), ("ISC AND GPL-3.0 OR MIT", {"MIT"}),
        ]:  # fmt: skip
            self.assertEqual(deny.satisfied(expression, {"MIT", "ISC"}), met, expression)

    def test_an_advisory_concerns_the_versions_that_are_not_mended(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "crates" / "leaky" / "RUSTSEC-2026-9999.md"
            path.parent.mkdir(parents=True)
            path.write_text(ADVISORY)
            told = lambda version, ignore: list(
                deny.advisories({"ignore": ignore}, {"": crate("leaky", version)}, Path(folder))
            )
            for version, concerns in [("1.0.9", False), ("1.1.0", True), ("1.2.4", True), ("1.2.5", False), ("2.0.0", True)]:
                self.assertEqual(bool(told(version, [])), concerns, version)
            known = [{"id": "RUSTSEC-2026-9999"}]
            self.assertEqual(told("1.1.0", known), [])
            self.assertIn("does not concern us any more", told("1.2.5", known)[0])

    def test_a_fetch_that_failed_leaves_no_database(self):
        with tempfile.TemporaryDirectory() as folder:
            environment = {"CARGO_TARGET_DIR": folder, "ADVISORY_DB": ""}
            gone = mock.patch.object(deny, "DATABASE", str(Path(folder) / "gone"))
            with gone, mock.patch.dict(os.environ, environment):
                self.assertIsNone(deny.advisory_database())
                self.assertTrue((Path(folder) / "advisory-db" / ".git" / "FETCH_HEAD").exists())
                self.assertIsNone(deny.advisory_database(), "nor when it is asked again on that day")
            with mock.patch.dict(os.environ, {"ADVISORY_DB": folder}), self.assertRaises(SystemExit) as refused:
                deny.advisory_database()
            self.assertIn("no checkout", str(refused.exception))

    def test_what_is_not_wanted_or_twice_is_named(self):
        built = {"a": crate("openssl-sys"), "b": crate("md-5", "0.10.6"), "c": crate("md-5", "0.11.0")}
        rules = {"deny": [{"crate": "openssl-sys", "reason": "rustls"}], "skip": [{"crate": "gone@1"}]}
        faults = "\n".join(deny.bans(rules, built))
        for word in ["openssl-sys 1.0.0 is not wanted", "md-5 is built in the versions", "gone@1, which is no duplicate"]:
            self.assertIn(word, faults)
        self.assertEqual(list(deny.bans({"skip": [{"crate": "md-5@0.10"}]}, {k: built[k] for k in "bc"})), [])


if __name__ == "__main__":
    unittest.main()
