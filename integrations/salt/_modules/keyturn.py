# SPDX-License-Identifier: Apache-2.0
"""Keyturn on this node: hand settings to its agent, set the encryption of buckets, ask how the cluster is.

Runs the ``keyturn`` that is installed. Settings go to it by standard input. A secret is named by its place in the
pillar, so that no argument of a job and no file has it.
"""

import json
import re

import salt.utils.data
import salt.utils.path
from salt.exceptions import CommandExecutionError

__virtualname__ = "keyturn"

_NAME = re.compile(r"MINIO_[A-Z0-9_]+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLACES = ["/usr/local/bin", "/usr/bin"]


def __virtual__():
    return __virtualname__


def _program():
    # At each call: a state before this one may have installed it.
    program = salt.utils.path.which("keyturn") or next(
        (path for path in (place + "/keyturn" for place in _PLACES) if salt.utils.path.which(path)), None)
    if not program:
        raise CommandExecutionError("keyturn is not installed on this host")
    return program


def _run(arguments, stdin=None):
    """One run: exit code, events, and the result with a ``message`` that says why, in one line."""
    done = __salt__["cmd.run_all"](
        [_program()] + arguments + ["--json"], stdin=stdin, python_shell=False, output_loglevel="quiet",
        ignore_retcode=True, rstrip=True)
    events, result = [], None
    for line in done["stdout"].splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("event") == "result":
            result = event
        else:
            events.append(event)
    if result is None:
        raise CommandExecutionError(
            "keyturn {} ended with {} and without a result: {}".format(
                arguments[0], done["retcode"], (done["stderr"] or done["stdout"])[-500:]))
    why = [text for text in (result.get("ending") or {}).get("why") or [] if isinstance(text, str)]
    errors = [event["message"] for event in events
              if event.get("event") == "message" and event.get("severity") == "error"]
    parts = [result.get("message", "")] + why + errors
    result["message"] = "; ".join(dict.fromkeys(part for part in parts if part))
    result["exitCode"] = done["retcode"]
    return events, result


def _text(settings, secrets_pillar):
    """The lines of a settings file. What is wrong with a value Keyturn says itself."""
    secrets = {}
    if secrets_pillar:
        # Not by pillar.get, which masks values since Salt 3008.
        secrets = salt.utils.data.traverse_dict_and_list(__pillar__, secrets_pillar, {})
        if not isinstance(secrets, dict) or not secrets:
            raise CommandExecutionError("the pillar has no mapping at {}".format(secrets_pillar))
    lines = []
    for name, value in list((settings or {}).items()) + list(secrets.items()):
        if not _NAME.match(str(name)):
            raise CommandExecutionError("{} is no name of a setting".format(name))
        if name in secrets and name in (settings or {}):
            raise CommandExecutionError("{} is in settings and in the pillar's secrets".format(name))
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value or _CONTROL.search(value):
            raise CommandExecutionError("the value of {} is not one line of text in quotes".format(name))
        lines.append('{}="{}"\n'.format(name, value))
    return "".join(lines)


def propose(settings=None, secrets_pillar=None, unset=None, create_key=False, wait=None, test=False):
    """
    Hands settings to this node's agent. When all nodes hold the same, they roll them out.

    settings
        Variables and values, without secrets.
    secrets_pillar
        Where in the pillar the secret ones are, such as ``minio:secrets``.
    unset
        Variables to remove.
    create_key
        Let the first start create the SSE key.
    wait
        Wait so many seconds until they are in force on all nodes.
    test
        Only say what would be done; exit code 2 if this node would propose something else.

    CLI Example:

    .. code-block:: bash

        salt 'minio-*' keyturn.propose '{MINIO_BROWSER: "off"}' secrets_pillar=minio:secrets
    """
    text = _text(settings, secrets_pillar)
    arguments = ["propose"] + (["--settings", "-"] if text else [])
    for name in unset or []:
        if not _NAME.match(str(name)):
            raise CommandExecutionError("{} is no name of a setting".format(name))
        arguments += ["--unset", name]
    if create_key:
        arguments.append("--create-key")
    if test:
        arguments.append("--check")
    elif wait is not None:
        arguments += ["--wait", "--timeout", str(int(wait))]
    events, result = _run(arguments, text)
    proposal = next((event for event in events if event.get("event") in ("proposal", "proposalCheck")), {})
    return {"changed": bool(result.get("changed")), "outcome": result.get("outcome"), "message": result["message"],
            "exit_code": result["exitCode"], "digest": proposal.get("digest"),
            "difference": proposal.get("difference") or []}


def withdraw(test=False):
    """
    Takes back what this node proposes; with ``test`` only says whether there is anything (exit code 2).

    CLI Example:

    .. code-block:: bash

        salt 'minio-*' keyturn.withdraw
    """
    _, result = _run(["propose", "--withdraw"] + (["--check"] if test else []))
    return {"changed": bool(result.get("changed")), "outcome": result.get("outcome"), "message": result["message"],
            "exit_code": result["exitCode"]}


def status():
    """
    Asks all nodes of the cluster how they are, with this node's certificate.

    CLI Example:

    .. code-block:: bash

        salt minio-1 keyturn.status
    """
    events, result = _run(["status"])
    problems = [{name: event.get(name) for name in ("level", "nodeNames", "rule", "severity", "message", "remedy")}
                for event in events if event.get("event") == "problem"]
    return {"message": result["message"], "outcome": result.get("outcome"), "exit_code": result["exitCode"],
            "nodes": result.get("nodes"), "problems": problems}


def bucket(buckets, key=None, sse_s3=False, create_key=False, create_bucket=False, replace=False, proof=True,
           test=False):
    """
    Sets the default encryption of buckets and proves it, as root on a node, by its own server.

    CLI Example:

    .. code-block:: bash

        salt minio-1 keyturn.bucket '[data, logs]' key=bucket-data create_key=True
    """
    if isinstance(buckets, str):
        buckets = [buckets]
    if any(not name or name.startswith("-") for name in buckets):
        raise CommandExecutionError("a bucket's name is empty or begins with -")
    arguments = ["bucket", "encrypt"] + list(buckets) + ["--local"] + (["--key=" + key] if key else [])
    for option, wanted in (("--sse-s3", sse_s3), ("--create-key", create_key), ("--create-bucket", create_bucket),
                           ("--yes", replace), ("--no-proof", not proof), ("--dry-run", test)):
        if wanted:
            arguments.append(option)
    events, result = _run(arguments)
    plans = [event for event in events if event.get("event") == "plan"]
    replaced = [plan["bucket"] for plan in plans if plan.get("replaces")]
    if test and replaced and not replace:
        raise CommandExecutionError(
            "the default encryption of {} would be replaced by another; that needs replace: true".format(
                ", ".join(replaced)))
    changes = {plan["bucket"]: {"old": plan.get("before"), "new": plan.get("wanted")} for plan in plans
               if any(plan.get(name) for name in ("makes", "sets", "createsKey"))}
    return {"changed": bool(result.get("changed")), "changes": changes, "outcome": result.get("outcome"),
            "message": result["message"], "exit_code": result["exitCode"]}
