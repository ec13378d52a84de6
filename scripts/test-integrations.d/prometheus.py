# SPDX-License-Identifier: Apache-2.0
"""Compares integrations/prometheus with Keyturn.

    prometheus.py [--expressions FILE] [EXPOSITION...]

Every metric that a rule or a panel names is in the table of docs/development/api.md, which a unit test compares with
what the agent tells. Of each rule the severity is a known one, its summary names commands, options and documents that
exist, and its tests have a case in which it fires and one in which it does not.

With what /metrics of a node and of a witness said (EXPOSITION): the metrics are told, and so is every value of a label
that an expression asks for. --expressions writes those of the dashboard as rules for `promtool check rules`.

Prints each fault and exits 1 if there is one.
"""

import argparse
import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACE = ROOT / "integrations/prometheus"
# What Prometheus itself adds.
ADDED = {"up", "ALERTS"}
ADDED_LABELS = {"job", "instance", "cluster"}
# Values that are there only where a host has such a thing.
SOMETIMES = {("keyturn_certificate_expiry_timestamp_seconds", "of")}
WORDS = {"by", "on", "unless", "and", "or", "bool", "absent", "vector", "ignoring", "without"}
faults = []


def fault(place, what):
    faults.append(f"{place}: {what}")


def selectors(place, expression):
    """The metrics of an expression, each with its matchers (label, operator, value)."""
    found = []
    # Texts and what names labels are no metrics.
    plain = re.sub(r"\b(by|on|ignoring|without)\s*\([^)]*\)", " ", expression)
    pattern = re.compile(r'"[^"]*"|([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{(?:[^}"]|"[^"]*")*\}|\()?')
    for match in pattern.finditer(re.sub(r"\[[^\]]*\]", " ", plain)):
        name, rest = match.groups()
        if not name or rest == "(" or name in WORDS:
            continue
        matchers = re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', rest or "")
        found.append((name, matchers))
    if not found:
        fault(place, f"no metric in {expression}")
    return found


def check_selectors(place, expression, names, values):
    for name, matchers in selectors(place, expression):
        if name in ADDED:
            continue
        if name not in names:
            fault(place, f"no agent has a metric {name}")
            continue
        for label, operator, value in matchers:
            if values is None or label in ADDED_LABELS or (name, label) in SOMETIMES:
                continue
            known = values.get(name, {}).get(label, set())
            for one in value.split("|") if "~" in operator else [value]:
                if one not in known:
                    fault(place, f'no agent tells {name} with {label}="{one}"')


def read_exposition(files):
    """The names, and the values of each one's labels."""
    values = {}
    for file in files:
        for line in pathlib.Path(file).read_text().splitlines():
            if line.startswith("# TYPE "):
                values.setdefault(line.split()[2], {})
            if line.startswith("#"):
                continue
            name = re.match(r"[a-z_]+", line).group()
            for label, value in re.findall(r'(\w+)="([^"]*)"', line):
                values[name].setdefault(label, set()).add(value)
    return values


def documented():
    page = (ROOT / "docs/development/api.md").read_text()
    return set(re.findall(r"`((?:keyturn|process)_[a-z_]+)(?:\{[^`]*\})?`", page))


def source_words():
    """The commands of the command line, and the names of their options."""
    commands, options = set(), {"help", "json", "quiet"}
    for file in (ROOT / "Sources/Operator").rglob("*.swift"):
        text = file.read_text()
        commands |= set(re.findall(r'CommandRule\(\s*name: "([^"]+)"', text))
        options |= set(re.findall(r'@Option\(\s*"([a-z-]+)"', text))
    return commands, options


def check_text(place, text, words):
    commands, options = words
    for command in re.findall(r"`keyturn ([^`]+)`", text):
        if not any(command == one or command.startswith(one + " ") for one in commands):
            fault(place, f"there is no command: keyturn {command}")
        for option in re.findall(r"--([a-z-]+)", command):
            if option not in options:
                fault(place, f"there is no option --{option}: keyturn {command}")
    for path, section in re.findall(r'(docs/[A-Za-z0-9_./-]+\.md)(?:, "([^"]+)")?', text):
        if not (ROOT / path).exists():
            fault(place, f"there is no {path}")
        elif section and not re.search(rf"^#+ {re.escape(section)}$", (ROOT / path).read_text(), re.M):
            fault(place, f'{path} has no section "{section}"')


def rules():
    document = yaml.safe_load((PLACE / "keyturn.rules.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def check_tests(alerts):
    document = yaml.safe_load((PLACE / "keyturn.rules.test.yml").read_text())
    tests = [test for group in document["tests"] for test in group["alert_rule_test"]]
    fires = {test["alertname"] for test in tests if test["exp_alerts"]}
    quiet = {test["alertname"] for test in tests if not test["exp_alerts"]}
    for alert in alerts:
        if alert not in fires:
            fault(alert, "no test in which it fires")
        if alert not in quiet:
            fault(alert, "no test in which it does not fire")
    for alert in sorted((fires | quiet) - set(alerts)):
        fault(alert, "tested, and there is no such rule")


def panels(document):
    for panel in document["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--expressions")
    parser.add_argument("exposition", nargs="*")
    arguments = parser.parse_args()
    values = read_exposition(arguments.exposition) if arguments.exposition else None
    names = documented() if values is None else set(values)
    words = source_words()

    alerts = rules()
    for rule in alerts:
        check_selectors(rule["alert"], rule["expr"], names, values)
        if rule.get("labels", {}).get("severity") not in ("critical", "warning", "info"):
            fault(rule["alert"], "severity is critical, warning or info")
        check_text(rule["alert"], rule["annotations"]["summary"], words)
    check_tests([rule["alert"] for rule in alerts])

    dashboard = json.loads((PLACE / "keyturn.dashboard.json").read_text())
    written = []
    for title, expression in panels(dashboard):
        check_selectors(f'panel "{title}"', expression.replace("$cluster", "").replace("$instance", ""), names, values)
        expression = expression.replace("$__rate_interval", "5m")
        if "$" in re.sub(r'"\$(cluster|instance)"', "", expression):
            fault(f'panel "{title}"', f"an unknown variable in {expression}")
        written.append({"record": f"panel:{len(written)}", "expr": expression})
    for panel in dashboard["panels"]:
        check_text(f'panel "{panel["title"]}"', panel.get("description", ""), words)
    if arguments.expressions:
        groups = {"groups": [{"name": "dashboard", "rules": written}]}
        pathlib.Path(arguments.expressions).write_text(yaml.safe_dump(groups))

    # A metric that nothing shows was forgotten.
    asked = {
        name
        for expression in [rule["expr"] for rule in alerts] + [expression for _, expression in panels(dashboard)]
        for name, _ in selectors("", expression)
    }
    for name in sorted(names - asked):
        fault("dashboard", f"no rule and no panel shows {name}")

    for line in faults:
        print(line, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
