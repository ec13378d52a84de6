# SPDX-License-Identifier: Apache-2.0
"""What the modules have in common: settings as text, one run of keyturn, and what it said."""

from __future__ import annotations

import json
import re

from ansible.module_utils import basic

# As the agent takes them; anything else would not be one line of a settings file.
NAME = re.compile(r"MINIO_[A-Z0-9_]+\Z")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")

# What Keyturn itself takes for a secret, by the words in the name.
SECRET_WORDS = (
    "API_KEY", "APIKEY", "ACCESS_KEY", "ACCESSKEY", "SECRET", "PRIVATE_KEY", "MASTER_KEY", "PASS", "PWD", "TOKEN",
    "LICENSE", "LICENCE", "CREDENTIAL", "NKEY", "SEED", "CONNECTION_STRING", "DSN", "AMQP_URL", "ELASTICSEARCH_URL",
    "SUBNET_PROXY",
)
NOT_SECRET = (
    "MINIO_KMS_SSE_KEY", "MINIO_KMS_KES_KEY_NAME", "MINIO_KMS_KES_KEY_FILE", "MINIO_KMS_SECRET_KEY_FILE",
    "MINIO_ROOT_PASSWORD_FILE", "MINIO_ACCESS_KEY_FILE", "MINIO_SECRET_KEY_FILE",
)


def is_secret(name):
    """Whether a variable's value is a secret or may hold one."""
    return name.upper() not in NOT_SECRET and any(word in name.upper() for word in SECRET_WORDS)


def settings_arguments():
    """The parameters of what is wanted.

    ``settings`` is shown in logs and results, so that a message may name the key. If somebody puts a secret there all
    the same, nothing of it is shown, and the module refuses it.
    """
    return {
        "settings": {"type": "dict", "default": {}, "no_log": misplaced_secrets()},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "unset": {"type": "list", "elements": "str", "default": []},
        "create_key": {"type": "bool", "default": False, "no_log": False},
    }


def misplaced_secrets():
    """Whether ``settings`` of this run has a secret. It is asked before Ansible has logged the parameters."""
    try:
        settings = basic._load_params().get("settings")
    except Exception:  # there are none, as when documentation is made of the module
        return False
    return not isinstance(settings, dict) or any(is_secret(str(name)) for name in settings)


def settings_text(module):
    """The lines of a settings file, of ``settings`` and ``secrets``. What Keyturn refuses of a value it says itself."""
    lines = []
    for parameter in ("settings", "secrets"):
        for name, value in module.params[parameter].items():
            if not NAME.match(str(name)):
                module.fail_json(msg="%s: %s is no name of a setting: MINIO_ and capital letters, digits, _"
                                 % (parameter, name))
            # Of YAML's types only a number is the text that it was written as: off, yes and 1e3 are not.
            if isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if parameter == "settings" and is_secret(name):
                module.fail_json(msg="settings: %s is a secret: give it in `secrets`, which is never logged" % name)
            if parameter == "secrets" and name in module.params["settings"]:
                module.fail_json(msg="%s is in `settings` and in `secrets`" % name)
            if not isinstance(value, str) or not value or CONTROL.search(value):
                module.fail_json(msg="%s: the value of %s is not one line of text in quotes (%s); to remove a setting "
                                 "name it in `unset`" % (parameter, name, type(value).__name__))
            lines.append('%s="%s"\n' % (name, value))
    for name in module.params["unset"]:
        if not NAME.match(name):
            module.fail_json(msg="unset: %s is no name of a setting: MINIO_ and capital letters, digits, _" % name)
    if not lines and not module.params["unset"]:
        module.fail_json(msg="there is nothing to set: give `settings`, `secrets` or `unset`")
    return "".join(lines)


def settings_options(module):
    """The options for what is wanted, and what goes to standard input: no value is in an argument or a file."""
    text = settings_text(module)
    options = ["--settings", "-"] if text else []
    for name in module.params["unset"]:
        options += ["--unset", name]
    if module.params["create_key"]:
        options.append("--create-key")
    return options, text


def cluster_options(module):
    options = []
    for name in ("inventory", "credentials"):
        if module.params[name]:
            options += ["--" + name, module.params[name]]
    return options


class Run:
    """One run of keyturn, to its end."""

    def __init__(self, module, arguments, data=None, environment=None):
        self.module = module
        program = module.params["executable"] or module.get_bin_path("keyturn", True, ["/usr/local/bin"])
        self.code, out, err = module.run_command(
            [program] + arguments + ["--json"], data=data, binary_data=True, environ_update=environment or {})
        self.events, self.result = [], None
        for line in out.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("event") == "result":
                self.result = event
            elif isinstance(event, dict):
                self.events.append(event)
        if self.result is None:
            module.fail_json(
                msg="keyturn %s ended with %d and without a result: %s"
                % (arguments[0], self.code, (err or out).strip()[-500:]), exit_code=self.code)

    def all(self, name):
        return [event for event in self.events if event.get("event") == name]

    def first(self, name):
        return next(iter(self.all(name)), {})

    def said(self, severity):
        """The sentences of a severity that are not the result's own."""
        return [event.get("message", "") for event in self.all("message")
                if event.get("severity") == severity and event.get("message") != self.result.get("message")]

    def message(self):
        """In one line: how it ended, and why."""
        why = [text for text in (self.result.get("ending") or {}).get("why") or [] if isinstance(text, str)]
        return "; ".join([self.result.get("message", "")] + why + self.said("error"))

    def end(self, good=(0,), **values):
        """Ends the module with what every result has; a failure unless the exit code is a good one. Never returns."""
        for warning in self.said("warning"):
            self.module.warn(warning)
        values.setdefault("changed", bool(self.result.get("changed")))
        values.update(outcome=self.result.get("outcome"), exit_code=self.code)
        if self.code not in good:
            self.module.fail_json(msg="keyturn: " + self.message(), **values)
        self.module.exit_json(message=self.message(), **values)
