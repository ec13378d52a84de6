# SPDX-License-Identifier: Apache-2.0
"""A connection to a host of scripts/lab: a command in the namespaces of its first process."""

from __future__ import annotations

import os
import subprocess

from ansible.errors import AnsibleError
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: lab
short_description: A host of scripts/lab
description: Enters the namespaces of a host of the lab that LAB_NAME names. Needs root.
options: {}
"""


class Connection(ConnectionBase):
    transport = "lab"
    has_pipelining = True

    def _connect(self):
        return self

    def _enter(self):
        host = self._play_context.remote_addr
        with open("/run/keyturn-lab/%s/hosts.d/%s/pid" % (os.environ["LAB_NAME"], host)) as file:
            process = file.read().strip()
        return ["nsenter", "--target", process, "--all", "--", "/usr/bin/env", "-i", "HOME=/root", "LANG=C.UTF-8",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "/bin/sh", "-c"]

    def exec_command(self, cmd, in_data=None, sudoable=True):
        done = subprocess.run(self._enter() + [cmd], input=in_data, capture_output=True)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path, out_path):
        with open(in_path, "rb") as file:
            code, _, error = self.exec_command("cat >'%s'" % out_path, file.read())
        if code:
            raise AnsibleError("%s: %s" % (out_path, error))

    def fetch_file(self, in_path, out_path):
        code, output, error = self.exec_command("cat '%s'" % in_path)
        if code:
            raise AnsibleError("%s: %s" % (in_path, error))
        with open(out_path, "wb") as file:
            file.write(output)

    def close(self):
        pass
