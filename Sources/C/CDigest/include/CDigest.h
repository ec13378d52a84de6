// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), for programs that must not load a library for it. docs/decisions/0064-small-start-guard.md
#pragma once
#include <stddef.h>

/// Writes the 32 bytes of the digest of `size` bytes.
void kt_sha256(const void *bytes, size_t size, unsigned char digest[32]);
