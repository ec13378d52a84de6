// SPDX-License-Identifier: Apache-2.0

/// The variables that change how a dynamic program is loaded, or what its run-time libraries load or
/// do before its first line. In the environment of `keyturn guard` each could keep it from running
/// (LD_TRACE_LOADED_OBJECTS makes every dynamic program end with 0 at once) or load code into it,
/// which runs as root. The start guard's drop-in takes all of them from the unit.
///
/// From ld.so(8), mallopt(3) and glibc's list of what a set-user-ID program must not get
/// (sysdeps/generic/unsecvars.h), of every release from 2.17 on; then those of OpenSSL and of Swift.
/// Not here: what only tells where temporary files, time zones or name servers are (TMPDIR, TZDIR,
/// RES_OPTIONS and their like). The guard asks none of these, and the server may need them.
package enum LoaderVariables {
  /// Of the dynamic linker.
  static let linker = [
    "LD_ASSUME_KERNEL", "LD_AUDIT", "LD_BIND_NOT", "LD_BIND_NOW", "LD_DEBUG", "LD_DEBUG_OUTPUT",
    "LD_DYNAMIC_WEAK", "LD_HWCAP_MASK", "LD_LIBRARY_PATH", "LD_LIBRARY_VERSION", "LD_ORIGIN_PATH",
    "LD_POINTER_GUARD", "LD_PREFER_MAP_32BIT_EXEC", "LD_PRELOAD", "LD_PROFILE",
    "LD_PROFILE_OUTPUT", "LD_SHOW_AUXV", "LD_TRACE_LOADED_OBJECTS", "LD_TRACE_PRELINKING",
    "LD_UNUSED", "LD_USE_LOAD_BIAS", "LD_VERBOSE", "LD_WARN", "LDD_ARGV0",
  ]

  /// Of glibc.
  static let library = [
    "GLIBC_TUNABLES", "GCONV_PATH", "GETCONF_DIR", "LOCPATH", "NLSPATH", "MALLOC_ALIGN_MASK",
    "MALLOC_ARENA_MAX", "MALLOC_ARENA_TEST", "MALLOC_CHECK_", "MALLOC_MMAP_MAX_",
    "MALLOC_MMAP_THRESHOLD_", "MALLOC_PERTURB_", "MALLOC_TCACHE_COUNT", "MALLOC_TOP_PAD_",
    "MALLOC_TRACE", "MALLOC_TRIM_THRESHOLD_",
  ]

  /// Of OpenSSL and Swift.
  static let runtime = [
    "OPENSSL_CONF", "OPENSSL_CONF_INCLUDE", "OPENSSL_ENGINES", "OPENSSL_MODULES",
    "OPENSSL_ia32cap", "SWIFT_BACKTRACE", "SWIFT_ROOT", "SWIFT_DEBUG_HELP",
    "SWIFT_DEBUG_ENABLE_MALLOC_SCRIBBLE", "SWIFT_DEBUG_LIB_PRESPECIALIZED_PATH",
    "SWIFT_BINARY_COMPATIBILITY_VERSION",
  ]

  package static let all = linker + library + runtime
}
