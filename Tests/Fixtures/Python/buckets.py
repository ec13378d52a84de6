# SPDX-License-Identifier: Apache-2.0
"""What boto3 sees of buckets, and does to them, for the tests in Tests/LabTests/Buckets.

buckets.py CONFIG ALIAS COMMAND [ARGUMENT...] with an S3 client's config.json prints one JSON value.
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

config, alias, command, *arguments = sys.argv[1:]
with open(config) as file:
    server = json.load(file)["aliases"][alias]
s3 = boto3.client(
    "s3",
    endpoint_url=server["url"],
    aws_access_key_id=server["accessKey"],
    aws_secret_access_key=server["secretKey"],
    region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}),
)


def default(bucket):
    """The default encryption, as [algorithm, key]; none without one."""
    try:
        answer = s3.get_bucket_encryption(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ServerSideEncryptionConfigurationNotFoundError":
            return None
        raise
    rule = answer["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    return [rule["SSEAlgorithm"], rule.get("KMSMasterKeyID", "")]


def versions(bucket):
    """The names of all versions and delete markers."""
    answer = s3.list_object_versions(Bucket=bucket)
    return sorted(entry["Key"] for kind in ("Versions", "DeleteMarkers") for entry in answer.get(kind, []))


def show():
    """Of each bucket its default encryption and what is in it."""
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    return {name: {"encryption": default(name), "objects": versions(name)} for name in names}


def make(bucket, kind="plain"):
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=kind in ("locked", "retained"))
    if kind == "versioned":
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    if kind == "retained":
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
        s3.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )


def write(bucket, name, text):
    """How the server says that it encrypted an object."""
    answer = s3.put_object(Bucket=bucket, Key=name, Body=text.encode())
    return [answer.get("ServerSideEncryption"), answer.get("SSEKMSKeyId")]


def read(bucket, name):
    return s3.get_object(Bucket=bucket, Key=name)["Body"].read().decode()


def sse_s3(bucket):
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


print(json.dumps({"show": show, "make": make, "write": write, "read": read, "sse-s3": sse_s3}[command](*arguments)))
