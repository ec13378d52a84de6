#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Sets the default encryption of buckets, and proves it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bucket
short_description: Set the default encryption of buckets, and prove it
description:
  - Runs C(keyturn bucket encrypt). What is so already is not done again.
  - The proof writes two objects named C(keyturn-proof-...) without a word about encryption, sees that the server says
    they are encrypted with that very key, reads them back, and removes them. It is made at every run and does not count
    as a change.
options:
  buckets:
    description:
      - The buckets.
    type: list
    elements: str
    required: true
  key:
    description:
      - SSE-KMS with this key of the Key Manager.
    type: str
  sse_s3:
    description:
      - SSE-S3 instead, with the server's own key, C(MINIO_KMS_SSE_KEY).
    type: bool
    default: false
  create_key:
    description:
      - Create the key if there is none.
    type: bool
    default: false
  create_bucket:
    description:
      - Make the buckets that are missing.
    type: bool
    default: false
  replace:
    description:
      - Replace a default encryption that is another one. Without it that is refused. Objects that are there stay as
        they were written.
    type: bool
    default: false
  proof:
    description:
      - Whether to prove it with objects.
    type: bool
    default: true
  local:
    description:
      - On a node, as root, ask its own server as the server's root user.
    type: bool
    default: false
  alias:
    description:
      - A server that C(mc) knows.
    type: str
  endpoint:
    description:
      - A server's URL, with O(access_key) and O(secret_key), or with what AWS's variables and profiles say.
    type: str
  access_key:
    description:
      - Handed over in the environment, for O(endpoint).
    type: str
  secret_key:
    description:
      - Handed over in the environment, for O(endpoint).
    type: str
  ca:
    description:
      - Files with certificates to trust too.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - keyturn.minio.keyturn
attributes:
  check_mode:
    support: full
    description: Says what would be done by the same look (C(--dry-run)), and writes nothing, no proof either.
  diff_mode:
    support: full
    description: The default encryption of each bucket.
"""

EXAMPLES = r"""
- name: Default encryption of two buckets, asked on any node
  keyturn.minio.bucket:
    buckets: [data, logs]
    key: bucket-data
    create_key: true
    create_bucket: true
    local: true
  run_once: true

- name: The same from elsewhere
  keyturn.minio.bucket:
    buckets: [data]
    sse_s3: true
    endpoint: https://minio.example.net:9000
    access_key: admin
    secret_key: "{{ vault_minio_secret_key }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
outcome:
  description: C(done), C(unchanged), C(planned), or the word of Keyturn's exit code.
  returned: always
  type: str
message:
  description: How it ended and why, in one line.
  returned: success
  type: str
exit_code:
  description: Keyturn's exit code. 4 to 8, 77 and 78 mean that nothing was changed.
  returned: always
  type: int
buckets:
  description: The buckets that were looked at.
  returned: always
  type: list
  elements: dict
  contains:
    bucket:
      description: Its name.
      type: str
    changed:
      description: Whether it, its key or its encryption was changed, or would be.
      type: bool
    before:
      description: The default encryption that was found.
      type: dict
    after:
      description: The default encryption that is set, or would be.
      type: dict
    proof:
      description: V(proven), V(failed) or V(none).
      type: str
    left:
      description: Objects of the proof that are still there, or may be.
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keyturn.minio.plugins.module_utils.keyturn import Run


def options(module):
    params = module.params
    arguments = ["bucket", "encrypt"]
    # The names are arguments, and none of them an option.
    for bucket in params["buckets"]:
        if not bucket or bucket.startswith("-"):
            module.fail_json(msg="buckets: %s is no name of a bucket" % (bucket or "an empty text"))
        arguments.append(bucket)
    for name in ("key", "alias", "endpoint"):
        if params[name]:
            # A value that begins with - is a value all the same.
            arguments.append("--%s=%s" % (name, params[name]))
    for name in ("sse_s3", "create_key", "create_bucket", "local"):
        if params[name]:
            arguments.append("--" + name.replace("_", "-"))
    for file in params["ca"]:
        arguments.append("--ca=" + file)
    if params["replace"]:
        arguments.append("--yes")
    if not params["proof"]:
        arguments.append("--no-proof")
    if module.check_mode:
        arguments.append("--dry-run")
    return arguments


def rows(run):
    """Each bucket: what was found, what is wanted, and what came of it."""
    done = {event.get("bucket"): event for event in run.all("bucket")}
    for plan in run.all("plan"):
        event = done.get(plan.get("bucket"), {})
        would = any(plan.get(name) for name in ("makes", "sets", "createsKey"))
        yield {
            "bucket": plan.get("bucket"),
            "changed": bool(event.get("changed", would and run.module.check_mode)),
            "before": plan.get("before"),
            "after": event.get("encryption") or plan.get("wanted"),
            "proof": event.get("proof", "none"),
            "left": event.get("left", []),
        }


def text(row, which):
    encryption = row[which] or {}
    key = encryption.get("key")
    return "%s: %s%s\n" % (row["bucket"], encryption.get("algorithm", "none"), " with " + key if key else "")


def main():
    module = AnsibleModule(
        argument_spec={
            "buckets": {"type": "list", "elements": "str", "required": True},
            "key": {"type": "str", "no_log": False},
            "sse_s3": {"type": "bool", "default": False},
            "create_key": {"type": "bool", "default": False, "no_log": False},
            "create_bucket": {"type": "bool", "default": False},
            "replace": {"type": "bool", "default": False},
            "proof": {"type": "bool", "default": True},
            "local": {"type": "bool", "default": False},
            "alias": {"type": "str"},
            "endpoint": {"type": "str"},
            "access_key": {"type": "str", "no_log": False},
            "secret_key": {"type": "str", "no_log": True},
            "ca": {"type": "list", "elements": "path", "default": []},
            "executable": {"type": "path"},
        },
        mutually_exclusive=[("key", "sse_s3"), ("local", "alias", "endpoint")],
        required_together=[("access_key", "secret_key")],
        required_by={"access_key": ("endpoint",)},
        supports_check_mode=True)
    params = module.params
    environment = {}
    if params["access_key"]:
        environment = {"AWS_ACCESS_KEY_ID": params["access_key"], "AWS_SECRET_ACCESS_KEY": params["secret_key"]}
    run = Run(module, options(module), environment=environment)
    buckets = list(rows(run))
    replaced = [event.get("bucket") for event in run.all("plan") if event.get("replaces")]
    if module.check_mode and replaced and not params["replace"]:
        module.fail_json(msg="the default encryption of %s would be replaced by another; that needs `replace: true`"
                         % ", ".join(replaced), exit_code=run.code, outcome=run.result.get("outcome"))
    changed = bool(run.result.get("changed")) or any(row["changed"] for row in buckets)
    values = {"changed": changed, "buckets": buckets}
    if module._diff and changed:
        values["diff"] = {
            "before": "".join(text(row, "before") for row in buckets),
            "after": "".join(text(row, "after") for row in buckets),
            "before_header": "default encryption", "after_header": "default encryption"}
    run.end(**values)


if __name__ == "__main__":
    main()
