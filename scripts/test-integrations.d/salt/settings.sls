# SPDX-License-Identifier: Apache-2.0
encryption:
  keyturn.settings:
    - settings:
        MINIO_KMS_SERVER: https://kms-1.example.net:7373,https://kms-2.example.net:7373
        MINIO_KMS_ENCLAVE: object-store-primary
        MINIO_KMS_SSE_KEY: {{ pillar.get("key", "object-store-primary-default-key") }}
        MINIO_BROWSER: "off"
    - secrets_pillar: minio:secrets
    - wait: {{ pillar.get("wait", "null") }}
