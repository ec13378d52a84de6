// swift-tools-version: 6.2
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

func program(_ name: String, _ path: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies, path: "Sources/\(path)", swiftSettings: strict,
    linkerSettings: hardened)
}

func tests(_ module: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: "\(module)Tests", dependencies: dependencies, path: "Tests/\(module)Tests",
    swiftSettings: strict)
}

let package = Package(
  name: "keyturn",
  products: [
    .executable(name: "keyturnd", targets: ["keyturnd"]),
    .executable(name: "keyturn", targets: ["keyturn"]),
  ],
  targets: [
    .systemLibrary(
      name: "CSystemd", path: "Sources/C/CSystemd", pkgConfig: "libsystemd",
      providers: [.apt(["libsystemd-dev"]), .yum(["systemd-devel"])]),
    .systemLibrary(
      name: "COpenSSL", path: "Sources/C/COpenSSL", pkgConfig: "openssl",
      providers: [.apt(["libssl-dev"]), .yum(["openssl-devel"])]),
    .target(name: "CLinux", path: "Sources/C/CLinux", cSettings: [.define("_GNU_SOURCE")]),

    core("Model", []),
    core("Digests", ["Model", "COpenSSL"]),
    core("EnvironmentFile", ["Model"]),
    core("KeyManager", ["Model", "Digests"]),
    core("Rollout", ["Model", "Digests"]),
    core("StartWatch", ["Model"]),
    core("Wire", ["Model", "Digests", "Rollout"]),

    adapter("LinuxIO", ["Model", "Digests", "CLinux"]),
    adapter("Systemd", ["Model", "LinuxIO", "StartWatch", "CLinux", "CSystemd"]),
    adapter("TLS", ["Model", "LinuxIO", "COpenSSL"]),
    adapter("HTTPS", ["Model", "Wire", "LinuxIO", "TLS"]),
    adapter(
      "Probes",
      ["Model", "Digests", "Wire", "KeyManager", "StartWatch", "LinuxIO", "TLS", "HTTPS"]),

    .target(name: "Faults", path: "Sources/Testing/Faults", swiftSettings: strict),
    .target(
      name: "Coordination",
      dependencies: ["Model", "Digests", "Rollout", "Wire", "LinuxIO", "Faults"],
      path: "Sources/Coordination", swiftSettings: strict),
    adapter(
      "AgentLinks", ["Model", "Wire", "LinuxIO", "TLS", "HTTPS", "Coordination"]),

    .target(
      name: "Agent",
      dependencies: [
        "Model", "Digests", "EnvironmentFile", "KeyManager", "Rollout", "StartWatch", "Wire",
        "Coordination", "LinuxIO", "Faults",
      ], path: "Sources/Agent", swiftSettings: strict),
    .target(
      name: "Operator",
      dependencies: [
        "Model", "Digests", "EnvironmentFile", "KeyManager", "Rollout", "Wire", "Coordination",
        "LinuxIO",
      ], path: "Sources/Operator", swiftSettings: strict),

    program(
      "keyturnd", "Programs/keyturnd",
      [
        "Model", "Digests", "EnvironmentFile", "KeyManager", "Rollout", "StartWatch", "Wire",
        "Coordination", "Agent", "LinuxIO", "Systemd", "TLS", "HTTPS", "AgentLinks", "Probes",
      ]),
    program(
      "keyturn", "Programs/keyturn",
      [
        "Model", "Digests", "EnvironmentFile", "KeyManager", "Rollout", "Wire", "Coordination",
        "Operator", "LinuxIO", "TLS", "HTTPS", "AgentLinks",
      ]),

    program(
      "standin-minio", "Testing/StandInMinIO",
      ["Model", "Digests", "KeyManager", "Wire", "LinuxIO", "Systemd", "TLS", "HTTPS", "COpenSSL"]),
    program(
      "standin-minkms", "Testing/StandInKeyManager",
      ["Model", "Digests", "KeyManager", "Wire", "LinuxIO", "TLS", "HTTPS", "COpenSSL"]),
    program(
      "instant-restart", "Testing/InstantRestart", ["Model", "LinuxIO", "Systemd"]),
    program("file-writer", "Testing/FileWriter", ["Digests", "LinuxIO"]),
    program("connection-flood", "Testing/Flood", ["Model", "LinuxIO", "TLS"]),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "Model", "Digests", "EnvironmentFile", "KeyManager", "Rollout", "StartWatch", "Wire", "TLS",
      ],
      path: "Sources/Testing/FuzzTargets", swiftSettings: strict),
    program("fuzz", "Testing/Fuzz", ["FuzzTargets"]),
    .target(
      name: "Simulator", dependencies: ["Model", "Digests", "Rollout"],
      path: "Sources/Testing/Simulator", swiftSettings: strict),
    program("keyturn-sim", "Testing/KeyturnSim", ["Simulator"]),
    .target(
      name: "TestSupport", dependencies: ["Model", "LinuxIO", "CLinux"],
      path: "Sources/Testing/TestSupport", swiftSettings: strict),

    tests("Model", ["Model"]),
    tests("Digests", ["Digests", "Model"]),
    tests(
      "EnvironmentFile", ["EnvironmentFile", "FuzzTargets", "Model", "LinuxIO", "TestSupport"]),
    tests("KeyManager", ["KeyManager", "Digests", "Model"]),
    tests("Rollout", ["Rollout", "Digests", "Model"]),
    tests("Simulator", ["Simulator", "Rollout", "Model"]),
    tests("StartWatch", ["StartWatch", "Model"]),
    tests("Wire", ["Wire", "Rollout", "Digests", "Model"]),
    tests(
      "LinuxIO", ["LinuxIO", "Model", "Digests", "CLinux", "TestSupport", "file-writer"]),
    tests("Systemd", ["Systemd", "StartWatch", "LinuxIO", "Model", "CSystemd", "TestSupport"]),
    tests("TLS", ["TLS", "LinuxIO", "Model", "TestSupport"]),
    tests("HTTPS", ["HTTPS", "TLS", "Wire", "LinuxIO", "Model", "TestSupport"]),
    tests(
      "Probes",
      [
        "Probes", "KeyManager", "Digests", "StartWatch", "HTTPS", "TLS", "Wire", "LinuxIO", "Model",
        "TestSupport", "standin-minkms",
      ]),
    tests(
      "Agent",
      [
        "Agent", "Coordination", "EnvironmentFile", "KeyManager", "Rollout", "StartWatch", "Wire",
        "LinuxIO", "Digests", "Model", "TestSupport",
      ]),
    tests(
      "Operator",
      [
        "Operator", "Coordination", "EnvironmentFile", "KeyManager", "Rollout", "Wire", "LinuxIO",
        "Digests", "Model", "TestSupport",
      ]),
    tests(
      "Lab", ["TestSupport", "EnvironmentFile", "LinuxIO", "Model", "Wire", "TLS", "HTTPS"]),
  ],
  cLanguageStandard: .gnu11
)
