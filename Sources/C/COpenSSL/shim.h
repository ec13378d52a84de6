// OpenSSL 3.0 or later. What of it Swift cannot import by itself (function-like macros, SSL_OP_*,
// stacks) goes here as static inline functions with the prefix kt_.
#pragma once
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "Keyturn needs OpenSSL 3.0 or later"
#endif
