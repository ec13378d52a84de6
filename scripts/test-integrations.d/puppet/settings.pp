# SPDX-License-Identifier: Apache-2.0
# FACTER_wait and FACTER_sse_key of the environment are facts.
$key = $facts['sse_key'] ? {
  undef   => 'object-store-primary-default-key',
  default => $facts['sse_key'],
}

keyturn_settings { 'encryption':
  settings => {
    'MINIO_KMS_SERVER'  => 'https://kms-1.example.net:7373,https://kms-2.example.net:7373',
    'MINIO_KMS_ENCLAVE' => 'object-store-primary',
    'MINIO_KMS_SSE_KEY' => $key,
    'MINIO_BROWSER'     => 'on',
  },
  secrets  => Sensitive({ 'MINIO_KMS_API_KEY' => file('/tmp/puppet/key') }),
  wait     => $facts['wait'],
}
