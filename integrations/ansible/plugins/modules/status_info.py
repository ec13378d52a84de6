#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Asks all nodes how they are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: status_info
short_description: Ask all nodes of a MinIO cluster how they are
description:
  - Runs C(keyturn status), which asks every node's agent, and changes nothing.
  - A cluster in which something is wrong is no failure of the module. Test RV(level).
extends_documentation_fragment:
  - keyturn.minio.keyturn
  - keyturn.minio.keyturn.cluster
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: N/A
    description: It changes nothing.
notes:
  - Needs a certificate of role C(observer) or C(operator), or a node's own.
  - For one cluster one host is enough (C(run_once)).
"""

EXAMPLES = r"""
- name: How is the cluster?
  keyturn.minio.status_info:
  run_once: true
  register: cluster

- name: Go on only with a cluster in which nothing is wrong and every node answers
  ansible.builtin.assert:
    that: cluster.level in ["well", "remarked"]
    fail_msg: "{{ cluster.message }}: {{ cluster.problems | map(attribute='message') | join('; ') }}"
"""

RETURN = r"""
level:
  description:
    - V(wrong) if something is wrong now, V(unknown) if a node did not answer, V(remarked) if there is drift or something
      is degraded, otherwise V(well).
  returned: always
  type: str
  sample: well
message:
  description: The conclusion in one line.
  returned: always
  type: str
outcome:
  description: The word of Keyturn's exit code.
  returned: always
  type: str
exit_code:
  description: Keyturn's exit code; 0, 1 (wrong) or 3 (unknown).
  returned: always
  type: int
problems:
  description: What is wrong or to be remarked, the worst first.
  returned: always
  type: list
  elements: dict
  contains:
    level:
      description: V(wrong), V(unknown), V(remarked) or V(well).
      type: str
    nodes:
      description: The nodes that it concerns.
      type: list
      elements: str
    rule:
      description: Its stable name.
      type: str
    severity:
      description: V(error), V(warning) or V(note).
      type: str
    message:
      description: What it is.
      type: str
    remedy:
      description: What mends it.
      type: str
nodes:
  description: Each node of the inventory by its name.
  returned: always
  type: dict
  contains:
    reachable:
      description: Whether its agent answered.
      type: bool
    reason:
      description: Why it did not.
      type: str
    active_state:
      description: The state of the server's unit.
      type: str
    release:
      description: The release of the running server.
      type: str
    sealed_key:
      description: The SSE key that is sealed.
      type: str
    running_key:
      description: The SSE key that the running server uses.
      type: str
    generation:
      description: The number of the last confirmed generation.
      type: int
    active_rollout:
      description: The id of the rollout that it is in.
      type: str
    last_rollout:
      description: The id of the last one.
      type: str
    last_outcome:
      description: How that ended there.
      type: str
    drift:
      description: The kinds of its drift, each once.
      type: list
      elements: str
    version:
      description: The agent's version.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keyturn.minio.plugins.module_utils.keyturn import Run, cluster_options

LEVELS = ("wrong", "unknown", "remarked", "well")


def node(event):
    """What is of use of a node's status. Digests of variables, by which a secret could be guessed, are not."""
    running = ((event.get("report") or {}).get("programs") or {}).get("running") or {}
    return {
        "reachable": True,
        "active_state": event.get("activeState"),
        "release": running.get("release"),
        "sealed_key": event.get("sealedKey"),
        "running_key": event.get("runningKey"),
        "generation": event.get("generation"),
        "active_rollout": event.get("activeRollout"),
        "last_rollout": event.get("lastRollout"),
        "last_outcome": event.get("lastOutcome"),
        "drift": sorted({item.get("kind") for item in (event.get("drift") or {}).get("items") or []}),
        "version": event.get("version"),
    }


def main():
    module = AnsibleModule(
        argument_spec={"inventory": {"type": "path"}, "credentials": {"type": "path"}, "executable": {"type": "path"}},
        supports_check_mode=True)
    run = Run(module, ["status"] + cluster_options(module))
    if run.code not in (0, 1, 3):
        run.end(changed=False)
    nodes = {event["node"]: node(event) for event in run.all("status")}
    for row in run.result.get("nodes") or []:
        nodes.setdefault(row["name"], {"reachable": False, "reason": row.get("reason")})
    problems = [
        {"level": event.get("level"), "nodes": event.get("nodeNames"), "rule": event.get("rule"),
         "severity": event.get("severity"), "message": event.get("message"), "remedy": event.get("remedy")}
        for event in run.all("problem")]
    levels = {problem["level"] for problem in problems} | {{1: "wrong", 3: "unknown"}.get(run.code, "well")}
    module.exit_json(
        changed=False, nodes=nodes, level=next(level for level in LEVELS if level in levels),
        problems=sorted(problems, key=lambda problem: LEVELS.index(problem["level"])),
        message=run.result.get("message"), outcome=run.result.get("outcome"), exit_code=run.code)


if __name__ == "__main__":
    main()
