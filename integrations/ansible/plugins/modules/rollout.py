#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Begins a rollout on all nodes, from one place."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Install settings on all nodes of a MinIO cluster and restart them at one instant
description:
  - Runs C(keyturn apply), C(restart) or C(rollback) with an operator's certificate. Run it in one place, once
    (C(run_once), C(delegate_to)), for the whole cluster.
  - Every node must vote yes before a file is replaced or a server restarted. The module ends when every start is
    confirmed or has failed, and after a rollback.
options:
  action:
    description:
      - V(apply) installs the settings. If all nodes have them and run with them it does nothing.
      - V(restart) restarts all servers, the files as they are, every time.
      - V(rollback) installs the files of an earlier generation.
    type: str
    choices: [apply, restart, rollback]
    default: apply
  generation:
    description:
      - The generation for V(rollback). If left out, the newest that every node has and that is another one.
    type: int
  rollback:
    description:
      - What happens after an V(apply) whose starts are not all confirmed. If left out, what the inventory says.
    type: str
    choices: [when-safe, never]
  restart:
    description:
      - For V(apply) and V(rollback), restart the servers also where none needs it.
    type: bool
    default: false
  note:
    description:
      - What the rollout is for, kept with it on every node; a ticket, a sentence.
    type: str
extends_documentation_fragment:
  - keyturn.minio.keyturn
  - keyturn.minio.keyturn.cluster
  - keyturn.minio.keyturn.settings
attributes:
  check_mode:
    support: partial
    description: Whether a rollout would be made, and what it would change.
    details:
      - For V(apply) it runs C(keyturn plan) with every check, so what would change and the difference are exact.
      - V(restart) and V(rollback) are skipped.
  diff_mode:
    support: full
    description: Of V(apply); secrets are shown as identities or not at all.
"""

EXAMPLES = r"""
- name: One rollout for the whole cluster
  keyturn.minio.rollout:
    settings:
      MINIO_BROWSER: "off"
    note: "CHG-1234"
  delegate_to: localhost
  run_once: true

- name: Restart all servers at one instant, after an upgrade of the package on all nodes
  keyturn.minio.rollout:
    action: restart
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
outcome:
  description: C(done), C(nothingToDo), C(changesPending), or the word of Keyturn's exit code.
  returned: always
  type: str
message:
  description: How it ended and why, in one line, without a secret.
  returned: success
  type: str
exit_code:
  description: Keyturn's exit code. 4 to 8 mean that no file was replaced and no server restarted.
  returned: always
  type: int
rollout:
  description: The id of the rollout.
  returned: when there was one
  type: str
generation:
  description: The number that the files became.
  returned: when there was a rollout
  type: int
restarted:
  description: Whether servers were restarted, or told to.
  returned: when it is known
  type: bool
restarts:
  description: Whether servers would be restarted.
  returned: in check mode
  type: bool
nodes:
  description: How it ended on each node.
  returned: as soon as there is one
  type: list
  elements: dict
next:
  description: Commands to continue with.
  returned: when there are some
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keyturn.minio.plugins.module_utils.keyturn import (
    Run, cluster_options, settings_arguments, settings_options)


def options(module):
    """The arguments for what is asked for, and what goes to standard input."""
    params, action = module.params, module.params["action"]
    text = None
    arguments = ["plan" if module.check_mode else action] + cluster_options(module)
    if action == "apply":
        wanted, text = settings_options(module)
        arguments += wanted
    elif any(params[name] for name in ("settings", "secrets", "unset", "create_key")):
        module.fail_json(msg="action %s takes the files as they are: leave settings, secrets, unset and create_key out"
                         % action)
    if params["restart"] and action != "restart":
        arguments.append("--restart")
    if module.check_mode:
        return arguments + ["--detailed-exitcode"], text
    arguments.append("--yes")
    if action == "apply" and params["rollback"]:
        arguments += ["--rollback", params["rollback"]]
    if action == "rollback" and params["generation"] is not None:
        arguments.append(str(params["generation"]))
    if params["note"]:
        arguments.append("--note=" + params["note"])
    return arguments, text


def difference(run):
    """What changes, nodes with the same difference together: the agents show a secret as its identity, or not."""
    groups = {}
    for event in run.all("plan"):
        groups.setdefault(tuple(event.get("difference") or []), []).append(event)
    differences = []
    for lines, events in groups.items():
        if lines:
            header = "%s on %s" % (events[0].get("file"), ", ".join(event.get("node", "") for event in events))
            differences.append({
                "before": "".join(line[1:] + "\n" for line in lines if line.startswith("-")),
                "after": "".join(line[1:] + "\n" for line in lines if line.startswith("+")),
                "before_header": header, "after_header": header})
    return differences


def main():
    module = AnsibleModule(
        argument_spec={
            **settings_arguments(),
            "action": {"type": "str", "choices": ["apply", "restart", "rollback"], "default": "apply"},
            "generation": {"type": "int"},
            "rollback": {"type": "str", "choices": ["when-safe", "never"]},
            "restart": {"type": "bool", "default": False},
            "note": {"type": "str"},
            "inventory": {"type": "path"},
            "credentials": {"type": "path"},
            "executable": {"type": "path"},
        },
        supports_check_mode=True)
    arguments, text = options(module)
    if module.check_mode and module.params["action"] != "apply":
        module.exit_json(skipped=True, msg="what %s would do is not known before it is done"
                         % module.params["action"])
    run = Run(module, arguments, data=text)
    result, values = run.result, {}
    if module.check_mode and run.code == 2:
        values["changed"] = True
    begun = next((event for event in run.all("rollout") if event.get("id")), {})
    for name, value in (("rollout", begun.get("id")), ("generation", begun.get("generation")),
                        ("restarted", result.get("restarted")), ("restarts", result.get("restarts")),
                        ("nodes", result.get("nodes") or None), ("next", (result.get("ending") or {}).get("next"))):
        if value is not None:
            values[name] = value
    if module._diff:
        shown = difference(run)
        if shown:
            values["diff"] = shown
    # 2: there is something to do.
    run.end(good=(0, 2) if module.check_mode else (0,), **values)


if __name__ == "__main__":
    main()
