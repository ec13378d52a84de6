# SPDX-License-Identifier: Apache-2.0
"""Makes AWS's shared files by chance and has botocore read a profile of them.

profiles.py SEED COUNT prints one JSON object a line: both files, the profile's name, and what botocore found.
Files that botocore refuses are not printed, nor half a key in the file that it looks for keys in.
"""

import json
import os
import random
import sys
import tempfile

import botocore.session
from botocore.credentials import ConfigProvider, SharedCredentialProvider
from botocore.exceptions import BotoCoreError

seed, count = sys.argv[1:]
chance = random.Random(int(seed))

KEYS = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region", "output"]


def value():
    return "".join(chance.choice("abcXYZ019/+=#;:_-.") for _ in range(chance.randint(1, 12)))


def section(names):
    indent = chance.choice(["", "", "", "  ", "\t"])
    lines = [f"[{chance.choice(names)}]"]
    keys = [key for key in KEYS if chance.random() < 0.75]
    chance.shuffle(keys)
    for key in keys:
        delimiter = chance.choice(["=", " = ", "= ", ":", " : "])
        name = key.upper() if chance.random() < 0.1 else key
        lines.append(indent + name + delimiter + value())
        lines += chance.choice([[], [], [], ["# a = b"], [""], ["  ; c"]])
    if chance.random() < 0.3:
        lines.append(indent + "s3 =")
        lines.append(indent + "  addressing_style = " + chance.choice(["path", "virtual", "auto"]))
    return lines


def file(names):
    """Each section once: botocore refuses a second of the same name."""
    names = [name for name in names if chance.random() < 0.8]
    lines = [line for name in names for line in section([name])]
    return chance.choice(["\n", "\n", "\r\n"]).join(lines + [""])


def style(profile):
    nested = profile.get("s3")
    return nested.get("addressing_style") if isinstance(nested, dict) else None


with tempfile.TemporaryDirectory() as folder:
    credentials, config = os.path.join(folder, "credentials"), os.path.join(folder, "config")
    os.environ.clear()
    os.environ.update(AWS_SHARED_CREDENTIALS_FILE=credentials, AWS_CONFIG_FILE=config, HOME=folder)
    printed = 0
    while printed < int(count):
        name = chance.choice(["default", "ops", "two words"])
        texts = file(["default", "ops", "two words"]), file(["default", "profile ops", 'profile "two words"', "ops"])
        for path, text in zip((credentials, config), texts):
            with open(path, "w", encoding="utf-8", newline="") as output:
                output.write(text)
        session = botocore.session.Session(profile=name)
        try:
            profile = session.full_config["profiles"].get(name, {})
            keys = SharedCredentialProvider(credentials, name).load() or ConfigProvider(config, name).load()
        except BotoCoreError:
            continue
        print(
            json.dumps(
                {
                    "credentials": texts[0],
                    "config": texts[1],
                    "profile": name,
                    "access": keys and keys.access_key,
                    "secret": keys and keys.secret_key,
                    "token": keys and keys.token,
                    "region": profile.get("region"),
                    "style": style(profile),
                }
            )
        )
        printed += 1
