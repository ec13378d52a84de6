# SPDX-License-Identifier: Apache-2.0
by-salt:
  keyturn.bucket:
    - key: by-salt
    - create_key: true
    - create_bucket: true
