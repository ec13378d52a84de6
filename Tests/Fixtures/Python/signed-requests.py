# SPDX-License-Identifier: Apache-2.0
"""Makes requests to S3 by chance and has botocore sign them.

signed-requests.py SEED COUNT prints one JSON object a line: what was signed, as the tests in
Tests/HTTPTests/SignatureV4BotocoreTests.swift build it again, and the Authorization field that
botocore gave it.
"""

import datetime
import json
import random
import sys
import types
from urllib.parse import quote

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

seed, count = int(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)

ASCII = [chr(code) for code in range(0x20, 0x7F)]
# One each of 2, 3 and 4 bytes, a combining mark, and letters that change their length with their case.
BEYOND = list("\u00e4\u00df\u0130\u1234\u65e5\u0301\U0001f511\u202e")
PLAIN = [chr(code) for code in range(0x61, 0x7B)] + list("0123456789-")


def text(letters, longest, shortest=0):
    return "".join(chance.choices(letters, k=chance.randint(shortest, longest)))


def path():
    if chance.random() < 0.1:
        return "/"
    parts = []
    for _ in range(chance.randint(1, 5)):
        parts.append(
            chance.choice(
                [".", "..", "", text(PLAIN, 20, 1), text(ASCII, 12, 1), text(ASCII + BEYOND, 12, 1), "%2F", "a+b c"]
            )
        )
    return "/" + "/".join(parts)


def query():
    names = [text(PLAIN, 8, 1), "versionId", "encryption", text(ASCII + BEYOND, 8, 1), "A", "a", "A-"]
    pairs = []
    for _ in range(chance.choice([0, 0, 1, 2, 3, 6])):
        # A few names only: that some come twice is what sorts by value.
        pairs.append([chance.choice(names), chance.choice(["", text(ASCII + BEYOND, 12), text(PLAIN, 8)])])
    return pairs


def headers():
    blanks = [" ", "  ", "\t", " \t "]
    fields = []
    for _ in range(chance.choice([0, 1, 2, 3, 6])):
        name = chance.choice(["X-Amz-Meta-", "x-amz-meta-", "Content-Type", "X-AMZ-ACL", "Range", "zz"])
        if name.endswith("-"):
            name += text(PLAIN, 10, 1)
        words = [text([letter for letter in ASCII if letter != " "] + BEYOND[:1], 10, 1) for _ in range(4)]
        value = words[0]
        for word in words[1 : chance.randint(1, 4)]:
            value += chance.choice(blanks) + word
        fields.append([name, value])
        if chance.random() < 0.2:
            fields.append([name, text(PLAIN, 8)])
    return fields


def signed():
    method = chance.choice(["GET", "PUT", "POST", "DELETE", "HEAD"])
    host = text(PLAIN[:26], 12, 1) + chance.choice(["", ".example.net"]) + chance.choice(["", ":9000", ":65535"])
    # The session token sits between the others by its name.
    token = text(ASCII[1:], 200, 20) if chance.random() < 0.3 else None
    access = text(PLAIN + ["_", "/"], 20, 3)
    secret = text(ASCII, 40, 8)
    region = chance.choice(["us-east-1", "eu-central-1", "lab", "x"])
    is_signed = chance.random() < 0.8
    body = chance.randbytes(chance.choice([0, 0, 1, 63, 64, 65, 1000, 5000]))
    when = datetime.datetime(1990, 1, 1) + datetime.timedelta(seconds=chance.randrange(100 * 365 * 86400))
    request_path, pairs, fields = path(), query(), headers()

    url = "https://" + host + quote(request_path, safe="/~")
    if pairs:
        url += "?" + "&".join(quote(name, safe="~") + "=" + quote(value, safe="~") for name, value in pairs)
    request = AWSRequest(method, url, data=body)
    for name, value in fields:
        request.headers[name] = value
    # As botocore reads the setting of a client.
    request.context["client_config"] = types.SimpleNamespace(s3={"payload_signing_enabled": is_signed})
    botocore.auth.get_current_datetime = lambda *_, **__: when
    botocore.auth.S3SigV4Auth(Credentials(access, secret, token), "s3", region).add_auth(request)
    return {
        "method": method,
        "host": host,
        "path": request_path,
        "query": pairs,
        "headers": fields,
        "body": body.hex(),
        "access": access,
        "secret": secret,
        "token": token,
        "region": region,
        "signsBody": is_signed,
        "seconds": int(when.replace(tzinfo=datetime.timezone.utc).timestamp()),
        "time": request.headers["X-Amz-Date"],
        "authorization": request.headers["Authorization"],
    }


for _ in range(count):
    print(json.dumps(signed()))
