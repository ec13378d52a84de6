// SPDX-License-Identifier: Apache-2.0
// OpenSSL 3.0 or later. What Swift cannot import (function-like macros, SSL_OP_*, stacks) is here as static inline
// functions with the prefix kt_.
#pragma once
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "Keyturn needs OpenSSL 3.0 or later"
#endif

static inline void kt_ctx_options(SSL_CTX *context, int minimum_version) {
  SSL_CTX_set_min_proto_version(context, minimum_version);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // An idle connection keeps no record buffers; the peer, who has the CA, is not sent it.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
}

/// Any trusted certificate ends a chain (crypto/x509), and plaintext is wiped when it has been read.
static inline void kt_ctx_like_go(SSL_CTX *context) {
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
}

/// For the stand-in only: the highest version, and what belongs to versions that nobody should use.
static inline void kt_ctx_outdated(SSL_CTX *context, int maximum_version) {
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, maximum_version);
}

static inline int kt_ctx_add_chain(SSL_CTX *context, X509 *certificate) {
  return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

static inline int kt_ssl_set_server_name(SSL *session, const char *name) {
  return (int)SSL_set_tlsext_host_name(session, name);
}

/// What is in a memory BIO, not copied; valid until the BIO changes.
static inline long kt_bio_data(BIO *bio, const char **bytes) {
  return BIO_get_mem_data(bio, (char **)bytes);
}
static inline void kt_bio_reset(BIO *bio) { (void)BIO_reset(bio); }

/// The key as encrypted PKCS#8: PBES2 with AES-256-CBC and PBKDF2 of HMAC-SHA-256 (RFC 8018). NULL if that fails.
static inline X509_SIG *kt_encrypt_key(const EVP_PKEY *key, const char *passphrase, int length,
                                       int iterations) {
  PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
  X509_ALGOR *way = plain ? PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), iterations, NULL, 0, NULL,
                                              NID_hmacWithSHA256)
                          : NULL;
  X509_SIG *encrypted = way ? PKCS8_set0_pbe(passphrase, length, plain, way) : NULL;
  // On success it belongs to `encrypted`.
  if (way && !encrypted) X509_ALGOR_free(way);
  PKCS8_PRIV_KEY_INFO_free(plain);
  return encrypted;
}

static inline EVP_PKEY *kt_generate_p256(void) { return EVP_EC_gen("P-256"); }

static inline int kt_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
static inline int kt_error_library(unsigned long code) { return ERR_GET_LIB(code); }

static inline int kt_general_name_count(const GENERAL_NAMES *names) {
  return sk_GENERAL_NAME_num(names);
}
/// What the name at `index` says if it is of the kind `want`, else NULL: the text of a URI (GEN_URI) or of a DNS name
/// (GEN_DNS), the bytes of an IP address (GEN_IPADD).
static inline const ASN1_STRING *kt_general_name(const GENERAL_NAMES *names, int index, int want) {
  const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
  if (!name || name->type != want) return NULL;
  switch (want) {
    case GEN_URI: return name->d.uniformResourceIdentifier;
    case GEN_DNS: return name->d.dNSName;
    case GEN_IPADD: return name->d.iPAddress;
    default: return NULL;
  }
}

static inline void kt_print_name(BIO *bio, const X509_NAME *name) {
  X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
}

/// The trusted certificate at the end of the peer's chain, borrowed from the session; NULL before a handshake.
static inline X509 *kt_verified_root(const SSL *session) {
  STACK_OF(X509) *chain = SSL_get0_verified_chain(session);
  int count = chain ? sk_X509_num(chain) : 0;
  return count > 0 ? sk_X509_value(chain, count - 1) : NULL;
}

/// Shows the same certificate, key and chain as `from`; 0 if that fails.
static inline int kt_ctx_show_same(SSL_CTX *context, SSL_CTX *from) {
  STACK_OF(X509) *chain = NULL;
  if (SSL_CTX_use_certificate(context, SSL_CTX_get0_certificate(from)) != 1) return 0;
  if (SSL_CTX_use_PrivateKey(context, SSL_CTX_get0_privatekey(from)) != 1) return 0;
  SSL_CTX_get0_chain_certs(from, &chain);
  return (int)SSL_CTX_set1_chain(context, chain);
}
