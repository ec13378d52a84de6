# SPDX-License-Identifier: Apache-2.0
"""Documentation that several modules have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  executable:
    description:
      - The command line. If left out, C(keyturn) in C(PATH) or in C(/usr/local/bin).
    type: path
requirements:
  - keyturn 0.1.0 or later on the host that the module runs on
author:
  - The Keyturn authors (@keyturn)
"""

    CLUSTER = r"""
options:
  inventory:
    description:
      - The cluster's inventory. If left out, C($KEYTURN_INVENTORY), C(./inventory.json), then
        C(/etc/keyturn/inventory.json).
    type: path
  credentials:
    description:
      - The directory with C(ca.pem), C(cert.pem) and C(key.pem). If left out, C($KEYTURN_CREDENTIALS), then
        C(/etc/keyturn/credentials).
    type: path
"""

    SETTINGS = r"""
options:
  settings:
    description:
      - C(MINIO_*) variables and their values, without secrets. They are shown in logs and results.
      - A secret in it (an API key, a password, a token) is refused, and nothing of it is shown.
    type: dict
    default: {}
  secrets:
    description:
      - Variables whose values are secrets, such as C(MINIO_KMS_API_KEY). Never logged, and censored wherever they occur.
      - They reach Keyturn by standard input only, never by an argument, the environment or a file.
    type: dict
    default: {}
  unset:
    description:
      - Variables to remove.
    type: list
    elements: str
    default: []
  create_key:
    description:
      - Let the first start create the SSE key if the Key Manager does not have it. Without it that is refused.
    type: bool
    default: false
"""
