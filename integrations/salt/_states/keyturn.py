# SPDX-License-Identifier: Apache-2.0
"""States of a MinIO cluster that Keyturn looks after. See the execution module of the same name."""

from salt.exceptions import CommandExecutionError

__virtualname__ = "keyturn"


def __virtual__():
    return __virtualname__


def _failed(name, comment):
    return {"name": name, "result": False, "changes": {}, "comment": comment}


def settings(name, settings=None, secrets_pillar=None, unset=None, create_key=False, wait=None):
    """
    This node proposes these settings. When all nodes do, they are rolled out, on all nodes at one instant.

    ``test=True`` says exactly whether this node would propose something else, and what would change in its file.

    .. code-block:: yaml

        encryption:
          keyturn.settings:
            - settings:
                MINIO_KMS_SERVER: https://kms-1.example.net:7373
                MINIO_KMS_ENCLAVE: store
                MINIO_KMS_SSE_KEY: store-key
            - secrets_pillar: minio:secrets
    """
    test = bool(__opts__["test"])
    try:
        done = __salt__["keyturn.propose"](settings, secrets_pillar, unset, create_key, wait, test=test)
    except CommandExecutionError as error:
        return _failed(name, str(error))
    if test and done["exit_code"] == 2:
        changes = {"proposal": {"old": None, "new": done["digest"]}, "difference": done["difference"]}
        return {"name": name, "result": None, "changes": changes, "comment": done["message"]}
    if done["exit_code"] != 0:
        return _failed(name, done["message"])
    changes = {"proposal": {"old": None, "new": done["digest"]}} if done["changed"] else {}
    return {"name": name, "result": True, "changes": changes, "comment": done["message"]}


def no_proposal(name):
    """
    This node proposes nothing.

    .. code-block:: yaml

        nothing is proposed:
          keyturn.no_proposal
    """
    test = bool(__opts__["test"])
    try:
        done = __salt__["keyturn.withdraw"](test=test)
    except CommandExecutionError as error:
        return _failed(name, str(error))
    if test and done["exit_code"] == 2:
        return {"name": name, "result": None, "changes": {"proposal": {"old": "proposed", "new": None}},
                "comment": done["message"]}
    if done["exit_code"] != 0:
        return _failed(name, done["message"])
    changes = {"proposal": {"old": "proposed", "new": None}} if done["changed"] else {}
    return {"name": name, "result": True, "changes": changes, "comment": done["message"]}


def bucket(name, buckets=None, key=None, sse_s3=False, create_key=False, create_bucket=False, replace=False,
           proof=True):
    """
    Buckets have this default encryption, proven with an object. ``test=True`` says exactly what would be done.

    .. code-block:: yaml

        data:
          keyturn.bucket:
            - key: bucket-data
            - create_key: true
    """
    test = bool(__opts__["test"])
    try:
        done = __salt__["keyturn.bucket"](
            buckets or [name], key=key, sse_s3=sse_s3, create_key=create_key, create_bucket=create_bucket,
            replace=replace, proof=proof, test=test)
    except CommandExecutionError as error:
        return _failed(name, str(error))
    if done["exit_code"] != 0:
        return _failed(name, done["message"])
    changes = done["changes"] if test or done["changed"] else {}
    return {"name": name, "result": None if test and changes else True, "changes": changes,
            "comment": done["message"]}
