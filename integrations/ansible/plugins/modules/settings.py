#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Hands settings to a node's agent."""

from __future__ import annotations

DOCUMENTATION = r"""
module: settings
short_description: Hand settings of a MinIO cluster to the agent of a node
description:
  - Runs C(keyturn propose) on a node. When all nodes hold the same settings, Keyturn installs them on all nodes and
    restarts all servers at one instant, after every check and every node's vote.
  - Run it on every node, in any order, with any C(forks), C(serial) or C(strategy). It begins nothing by itself while a
    node is missing.
  - Settings that were rolled out and not confirmed are refused at every run until they are others, or a person says
    so (C(keyturn proposals --retry), C(keyturn apply)). They are not rolled out again.
options:
  state:
    description:
      - V(proposed) hands them over and returns at once.
      - V(confirmed) also waits until they are in force on all nodes, or have failed. Every node must hold them by then,
        so first run a task with V(proposed) on all nodes.
      - V(absent) takes the node's proposal back.
    type: str
    choices: [proposed, confirmed, absent]
    default: proposed
  timeout:
    description:
      - How long V(confirmed) waits, in seconds.
    type: int
    default: 900
  socket:
    description:
      - The agent's socket. If left out, C(/run/keyturn/agent.sock).
    type: path
extends_documentation_fragment:
  - keyturn.minio.keyturn
  - keyturn.minio.keyturn.settings
attributes:
  check_mode:
    support: full
    description: Says whether the node would propose something else, or take its proposal back, by C(keyturn propose
      --check). No other node is told, and nothing is kept. V(confirmed) is looked at as V(proposed).
  diff_mode:
    support: partial
    description: In check mode, what would change in the node's file; secrets are replaced.
notes:
  - Needs root on the node, and no certificate.
"""

EXAMPLES = r"""
- name: Settings for encryption, the same on every node
  keyturn.minio.settings:
    settings:
      MINIO_KMS_SERVER: https://kms-1.example.net:7373,https://kms-2.example.net:7373
      MINIO_KMS_ENCLAVE: store
      MINIO_KMS_SSE_KEY: store-key
    secrets:
      MINIO_KMS_API_KEY: "{{ vault_minio_kms_api_key }}"

- name: Wait until all nodes run with them
  keyturn.minio.settings:
    settings:
      MINIO_KMS_SERVER: https://kms-1.example.net:7373,https://kms-2.example.net:7373
      MINIO_KMS_ENCLAVE: store
      MINIO_KMS_SSE_KEY: store-key
    secrets:
      MINIO_KMS_API_KEY: "{{ vault_minio_kms_api_key }}"
    state: confirmed

- name: Take back what this node proposes
  keyturn.minio.settings:
    state: absent
"""

RETURN = r"""
outcome:
  description:
    - C(proposed), C(inForce), C(confirmed), C(withdrawn), or the word of Keyturn's exit code.
  returned: always
  type: str
  sample: proposed
message:
  description: How it ended and why, in one line, without a secret.
  returned: success
  type: str
exit_code:
  description: Keyturn's exit code. 4 to 8 mean that no file was replaced and no server restarted.
  returned: always
  type: int
digest:
  description: Identifies what is proposed, secrets included. Nodes with the same one agree.
  returned: when something is proposed
  type: str
phase:
  description: Where it stands; V(waiting), V(rollingOut), V(inForce), V(refused), V(notConfirmed) or V(none).
  returned: when the agent answered, not with O(state=confirmed)
  type: str
rollout:
  description: The id of its rollout. With O(state=confirmed) it is in RV(message).
  returned: when there is one, not with O(state=confirmed)
  type: str
missing:
  description: Nodes that do not propose it yet.
  returned: when the agent answered, not with O(state=confirmed)
  type: list
  elements: str
difference:
  description: What would change in the node's file, line by line; secrets are replaced.
  returned: in check mode, not with O(state=absent)
  type: list
  elements: str
differing:
  description: Nodes that propose something else.
  returned: when the agent answered, not with O(state=confirmed)
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keyturn.minio.plugins.module_utils.keyturn import Run, settings_arguments, settings_options


def check(module, run):
    """Ends the module with what it would do: exit code 2 is that it would change something."""
    seen = run.first("proposalCheck")
    values = {name: seen[name] for name in ("digest", "difference") if seen.get(name) is not None}
    if seen.get("difference") and module._diff:
        values["diff"] = {"prepared": "\n".join(["%s: %s" % (seen.get("node"), seen.get("file"))]
                                                + seen["difference"]) + "\n"}
    run.end(good=(0, 2), changed=run.code == 2, **values)


def main():
    module = AnsibleModule(
        argument_spec={
            **settings_arguments(),
            "state": {"type": "str", "choices": ["proposed", "confirmed", "absent"], "default": "proposed"},
            "timeout": {"type": "int", "default": 900},
            "socket": {"type": "path"},
            "executable": {"type": "path"},
        },
        supports_check_mode=True)
    state, text = module.params["state"], None
    arguments = ["propose"]
    if module.params["socket"]:
        arguments += ["--socket", module.params["socket"]]
    if state == "absent":
        arguments.append("--withdraw")
    else:
        options, text = settings_options(module)
        arguments += options
    if module.check_mode:
        check(module, Run(module, arguments + ["--check"], data=text))
    if state == "confirmed":
        arguments += ["--wait", "--timeout", str(module.params["timeout"])]
    run = Run(module, arguments, data=text)
    proposal = run.first("proposal")
    # Only the digest is still so when it has waited.
    names = ["digest"] if state == "confirmed" else ["digest", "phase", "rollout", "missing", "differing"]
    values = {name: proposal[name] for name in names if proposal.get(name) is not None}
    run.end(**values)


if __name__ == "__main__":
    main()
