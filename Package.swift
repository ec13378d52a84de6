// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
// Keyturn: one package, no dependencies but the toolchain, libsystemd and OpenSSL.
// Who may import whom is written here and checked by
// `swift build --explicit-target-dependency-import-check error`.
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

/// Values and the few tools that everything else is made with.
func base(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Sources/Base/\(name)", swiftSettings: strict)
}

/// Pure values and logic: no files, sockets, clocks, randomness or printing.
func core(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Sources/Core/\(name)", swiftSettings: strict)
}

/// One technology each; everything that can block or fail lives here.
func adapter(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Sources/Adapters/\(name)", swiftSettings: strict)
}

/// What is installed binds all addresses when it starts, and nothing can write them afterwards.
/// `scripts/test` looks at the programs; the RUNPATH is left out by `--disable-local-rpath` only.
let hardened: [LinkerSetting] = [
  .unsafeFlags(["-Xlinker", "-z", "-Xlinker", "now"], .when(configuration: .release))
]

/// A static, position-independent program, its relocations packed. lld, since gold cannot make one.
let small: [LinkerSetting] = [
  .unsafeFlags(
    [
      "-static-executable", "-use-ld=lld", "-Xclang-linker", "-static-pie",
      "-Xlinker", "--pack-dyn-relocs=relr",
    ], .when(configuration: .release))
]

func program(_ name: String, _ path: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies, path: "Sources/\(path)", swiftSettings: strict,
    linkerSettings: hardened)
}

/// A part of the product, or of its tests, that is no single value, technology or program.
func room(_ name: String, _ path: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Sources/\(path)", swiftSettings: strict)
}

func tests(_ module: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: "\(module)Tests", dependencies: dependencies, path: "Tests/\(module)Tests",
    swiftSettings: strict)
}

/// What `--version` says of where the build is from: `scripts/build` sets it.
let commit = Context.environment["KEYTURN_COMMIT"] ?? ""

let package = Package(
  name: "keyturn",
  products: [
    .executable(name: "keyturnd", targets: ["keyturnd"]),
    .executable(name: "keyturn", targets: ["keyturn"]),
    .executable(name: "keyturn-guard", targets: ["keyturn-guard"]),
  ],
  targets: [
    .systemLibrary(
      name: "CSystemd", path: "Sources/C/CSystemd", pkgConfig: "libsystemd",
      providers: [.apt(["libsystemd-dev"]), .yum(["systemd-devel"])]),
    .systemLibrary(
      name: "COpenSSL", path: "Sources/C/COpenSSL", pkgConfig: "openssl",
      providers: [.apt(["libssl-dev"]), .yum(["openssl-devel"])]),
    .target(
      name: "CBuild", path: "Sources/C/CBuild",
      cSettings: [.define("KEYTURN_COMMIT", to: "\"\(commit)\"")]),
    .target(name: "CDigest", path: "Sources/C/CDigest"),
    .target(name: "CLinux", path: "Sources/C/CLinux", cSettings: [.define("_GNU_SOURCE")]),

    base("Model", ["FaultPoints"]),
    base("Crypto", ["Model", "CDigest"]),
    base("OpenSSL", ["Crypto", "COpenSSL"]),
    base("JSONCoding", []),
    base("Linux", ["CLinux"]),
    base("Threads", ["Model", "Linux", "CLinux"]),
    base("FaultPoints", []),

    core("Secrets", ["Model"]),
    core("EnvironmentFile", ["Model", "Secrets"]),
    core("ServerUnit", ["Model", "Secrets"]),
    core("StartWatch", ["Model", "ServerUnit"]),
    core("HTTP", ["Model", "Crypto", "OpenSSL", "JSONCoding", "Secrets"]),
    core("KeyManager", ["Model", "Crypto", "OpenSSL", "Secrets", "HTTP"]),
    core("Rollout", ["Model", "Crypto", "JSONCoding", "Secrets"]),
    core("S3", ["Model", "Crypto", "JSONCoding", "Secrets", "HTTP"]),
    core("API", ["Model", "Crypto", "JSONCoding", "Secrets", "KeyManager", "Rollout", "HTTP"]),

    adapter("Files", ["Model", "Crypto", "Linux", "Threads", "Secrets", "CLinux"]),
    adapter("Sockets", ["Model", "Linux", "Threads", "CLinux"]),
    adapter("Systemd", ["Model", "Linux", "Threads", "ServerUnit", "CSystemd"]),
    adapter("TLS", ["Model", "Threads", "Secrets", "Sockets", "COpenSSL"]),
    adapter("HTTPS", ["Model", "Linux", "Threads", "Secrets", "HTTP", "Sockets", "TLS"]),
    adapter(
      "Probes",
      [
        "Model", "Crypto", "OpenSSL", "JSONCoding", "Threads", "Secrets", "ServerUnit",
        "StartWatch", "KeyManager", "HTTP", "API", "Files", "Sockets", "TLS", "HTTPS",
      ]),
    adapter(
      "S3Links",
      ["Model", "Threads", "Secrets", "HTTP", "S3", "Files", "Sockets", "TLS", "HTTPS"]),
    adapter(
      "AgentLinks",
      [
        "Model", "Crypto", "JSONCoding", "Threads", "Secrets", "HTTP", "API", "Sockets", "TLS",
        "HTTPS", "Coordination",
      ]),

    room(
      "Coordination", "Coordination",
      ["Model", "Crypto", "Linux", "Threads", "FaultPoints", "Rollout", "API"]),
    room(
      "Agent", "Agent",
      [
        "Model", "Crypto", "JSONCoding", "Linux", "Threads", "FaultPoints", "Secrets",
        "EnvironmentFile", "ServerUnit", "StartWatch", "KeyManager", "Rollout", "HTTP", "API",
        "Coordination",
      ]),
    room(
      "StartGuarding", "StartGuarding",
      ["Model", "Crypto", "JSONCoding", "Threads", "EnvironmentFile", "Rollout"]),
    room(
      "Operator", "Operator",
      [
        "Model", "Crypto", "JSONCoding", "Linux", "Threads", "Secrets", "EnvironmentFile",
        "ServerUnit", "KeyManager", "Rollout", "HTTP", "S3", "API", "Coordination",
        "StartGuarding",
      ]),

    program(
      "keyturnd", "Programs/keyturnd",
      [
        "Model", "Crypto", "OpenSSL", "JSONCoding", "Linux", "Threads", "Secrets", "ServerUnit",
        "StartWatch", "KeyManager", "Rollout", "HTTP", "API", "Files", "Sockets", "Systemd", "TLS",
        "HTTPS", "Probes", "Coordination", "AgentLinks", "Agent", "CBuild",
      ]),
    // In release a program that no library is loaded for: before each start of the server.
    .executableTarget(
      name: "keyturn-guard",
      dependencies: [
        "Model", "Linux", "Rollout", "Files", "StartGuarding", "CBuild",
      ], path: "Sources/Programs/keyturn-guard", swiftSettings: strict,
      linkerSettings: hardened + small),
    program(
      "keyturn", "Programs/keyturn",
      [
        "Model", "Crypto", "Linux", "Threads", "Secrets", "EnvironmentFile", "ServerUnit",
        "Rollout", "HTTP", "S3", "API", "JSONCoding", "Files", "Sockets", "TLS", "HTTPS",
        "Coordination", "AgentLinks", "S3Links", "Operator", "CBuild",
      ]),

    room(
      "StandInTransport", "Testing/StandInTransport",
      ["Model", "Linux", "Secrets", "HTTP", "Sockets", "TLS", "HTTPS", "COpenSSL"]),
    program(
      "standin-minio", "Testing/StandInMinIO",
      [
        "Model", "Crypto", "OpenSSL", "JSONCoding", "Linux", "Threads", "Secrets", "KeyManager",
        "HTTP", "Files", "Sockets", "Systemd", "TLS", "COpenSSL",
      ]),
    program(
      "standin-minkms", "Testing/StandInKeyManager",
      [
        "Model", "Crypto", "JSONCoding", "Linux", "Threads", "Secrets", "HTTP", "Files", "Sockets",
        "TLS", "HTTPS", "StandInTransport", "COpenSSL",
      ]),
    program(
      "probe-cost", "Testing/ProbeCost",
      ["Model", "Crypto", "Threads", "Secrets", "KeyManager", "Sockets", "Probes"]),
    program("instant-restart", "Testing/InstantRestart", ["Model", "Linux", "Threads", "Systemd"]),
    program("file-writer", "Testing/FileWriter", ["Crypto", "Files"]),
    program(
      "connection-flood", "Testing/Flood",
      ["Model", "Linux", "Threads", "Secrets", "Files", "Sockets", "TLS"]),
    room(
      "FuzzTargets", "Testing/FuzzTargets",
      [
        "Model", "JSONCoding", "Secrets", "EnvironmentFile", "ServerUnit", "StartWatch",
        "KeyManager", "Rollout", "HTTP", "S3", "API", "TLS",
      ]),
    program("fuzz", "Testing/Fuzz", ["FuzzTargets"]),
    .target(name: "CFibers", path: "Sources/C/CFibers"),
    room("Fibers", "Testing/Fibers", ["Model", "Threads", "CFibers"]),
    room("Agreement", "Testing/Agreement", ["Model", "Crypto", "Rollout"]),
    room(
      "World", "Testing/World",
      [
        "Model", "Crypto", "JSONCoding", "Linux", "Threads", "Secrets", "ServerUnit", "StartWatch",
        "KeyManager", "Rollout", "HTTP", "S3", "API", "Coordination", "Agent", "Operator", "Fibers",
        "TestSupport",
      ]),
    program("keyturn-world", "Testing/KeyturnWorld", ["World"]),
    program("keyturn-walks", "Testing/KeyturnWalks", ["Agreement"]),
    room(
      "TestSupport", "Testing/TestSupport",
      ["Model", "Linux", "Threads", "KeyManager", "CLinux"]),

    tests("Model", ["Model", "JSONCoding"]),
    tests("Crypto", ["Model", "Crypto", "OpenSSL"]),
    tests("JSONCoding", ["Model", "JSONCoding"]),
    tests("StartGuarding", ["Model", "Crypto", "JSONCoding", "Rollout", "StartGuarding"]),
    tests("Secrets", ["Model", "Secrets"]),
    tests(
      "EnvironmentFile",
      ["Model", "Threads", "Secrets", "EnvironmentFile", "FuzzTargets", "TestSupport"]),
    tests("ServerUnit", ["Model", "ServerUnit"]),
    tests("StartWatch", ["Model", "ServerUnit", "StartWatch"]),
    tests("KeyManager", ["Model", "Crypto", "OpenSSL", "Secrets", "KeyManager"]),
    tests("Rollout", ["Model", "Crypto", "JSONCoding", "Rollout"]),
    tests("HTTP", ["Model", "JSONCoding", "Threads", "Secrets", "HTTP", "TestSupport"]),
    tests(
      "S3",
      ["Model", "Crypto", "JSONCoding", "Threads", "Secrets", "HTTP", "S3", "TestSupport"]),
    tests("API", ["Model", "Crypto", "JSONCoding", "Rollout", "HTTP", "API"]),
    tests(
      "Files",
      [
        "Model", "Crypto", "Linux", "Threads", "Secrets", "Files", "TestSupport", "CLinux",
        "file-writer",
      ]),
    tests("Fibers", ["Model", "Threads", "Fibers"]),
    tests("World", ["World"]),
    tests("Sockets", ["Model", "Linux", "Threads", "Sockets"]),
    tests("Systemd", ["Model", "Linux", "Threads", "ServerUnit", "Files", "Systemd", "CSystemd"]),
    tests(
      "TLS", ["Model", "Threads", "Secrets", "Sockets", "TLS", "StandInTransport", "TestSupport"]),
    tests("AgentLinks", ["Model", "Crypto", "JSONCoding", "Secrets", "API", "TLS", "AgentLinks"]),
    tests(
      "HTTPS", ["Model", "Threads", "HTTP", "Files", "Sockets", "TLS", "HTTPS", "StandInTransport"]),
    tests(
      "Probes",
      [
        "Model", "Crypto", "OpenSSL", "JSONCoding", "Threads", "Secrets", "ServerUnit",
        "StartWatch", "KeyManager", "HTTP", "API", "Files", "Sockets", "TLS", "HTTPS", "Probes",
        "StandInTransport", "TestSupport", "standin-minkms",
      ]),
    tests(
      "S3Links",
      [
        "Model", "Threads", "Secrets", "HTTP", "S3", "Files", "Sockets", "TLS", "HTTPS", "S3Links",
        "StandInTransport", "TestSupport",
      ]),
    tests(
      "Keyturn",
      [
        "Model", "Crypto", "JSONCoding", "Threads", "Secrets", "API", "Files", "TLS", "AgentLinks",
        "Operator", "TestSupport", "keyturn",
      ]),
    tests("S3Parties", ["Model", "JSONCoding", "Linux", "Threads", "TestSupport", "keyturn"]),
    tests("Agreement", ["Agreement"]),
    tests(
      "Agent",
      [
        "Model", "Crypto", "JSONCoding", "Linux", "Threads", "Secrets", "ServerUnit", "StartWatch",
        "KeyManager", "Rollout", "HTTP", "API", "Files", "Coordination", "Agent", "TestSupport",
      ]),
    tests(
      "Operator",
      [
        "Model", "Crypto", "JSONCoding", "Threads", "Secrets", "Rollout", "HTTP", "S3", "API",
        "Coordination", "Operator", "TestSupport",
      ]),
    tests("TestSupport", ["Model", "Linux", "Threads", "TestSupport"]),
    tests(
      "Lab",
      [
        "Model", "Crypto", "JSONCoding", "Threads", "Secrets", "EnvironmentFile", "KeyManager",
        "API",
        "Files", "Sockets", "TestSupport",
      ]),
  ],
  cLanguageStandard: .gnu11
)
