// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import ServerUnit

// The table of lines that mean something for a start. To add a row needs no code, but a whole line
// as its example, which the tests classify. The first row that matches counts, so the particular
// stands above the general. See docs/facts.md, "Start and the Key Manager", "Comparison of
// environments", "Output of the server" to "Fatal lines", "EnvironmentFile= of systemd" and
// "Reported incidents".

extension LinePattern {
  /// What a line is by its level and its row: one that calls itself fatal is, with or without a row.
  static func kind(of level: LineLevel, _ row: LinePattern?) -> LineKind {
    switch (level, row?.kind) {
    case (.fatal, _): .fatal(.fatalLine)
    case (_, let kind?): kind
    case (.error, nil): .error
    case (.warning, nil), (.info, nil), (.plain, nil): .ordinary
    }
  }

  /// systemd will not start the unit again. The line may bear the previous invocation.
  static let startLimit = "Start request repeated too quickly"

  /// Entries were gone before they could be read.
  static let loss = JournalEntry.lossMessage

  package static let table: [LinePattern] =
    keyManager + configuration + server + broken + waiting + good + drives + warnings + manager
    + journal

  // MARK: - It serves, but not all of it

  private static let broken: [LinePattern] = [
    row(
      "startup-failed", .server, .error, "Server startup failed with '", is: .brokenButServing,
      "A step of the start failed; the server runs without it.",
      cause: "the configuration, IAM or the Key Manager could not be used",
      remedy:
        "see the error in the quotes; do not use this node before it starts without this line",
      seen: "2022 to 2026",
      example: "Error: Server startup failed with 'io.EOF', some features may be missing"),
    row(
      "ciphertext-not-authentic", contains: ["ciphertext is not authentic"], is: .brokenButServing,
      "Stored configuration or IAM cannot be decrypted.",
      cause: "the Key Manager does not hold the key that the data was encrypted with: another "
        + "MINIO_KMS_SSE_KEY or enclave, a key created again under the old name, or no KMS at all",
      remedy: "put back the settings that the data was encrypted with, on all nodes",
      seen: "2022 to 2026",
      example: "Error: Unable to initialize IAM sub-system: decryption failed: "
        + "ciphertext is not authentic"),
    row(
      "kms-permission",
      contains: [
        "insufficient permissions to perform KMS operation",
        "access denied: insufficient permissions",
      ], is: .brokenButServing, "The Key Manager does not let this identity use the key.",
      cause: "the policy of the API key's identity lacks KEY:GENERATE or KEY:DECRYPT for it",
      remedy: "assign a policy that allows both to the identity, in the enclave of the settings",
      seen: "2023 to 2026",
      example: "Error: insufficient permissions to perform KMS operation (kms.Error)"),
    row(
      "features-missing", contains: ["some features may be missing"], is: .brokenButServing,
      "The configuration could not be loaded; the server runs without it.",
      cause: "stored configuration cannot be read or decrypted, often for a changed or missing key",
      remedy: "see the error at the end of the line; see that the Key Manager holds the old key",
      seen: "2022 to 2026",
      example: "Error: Unable to initialize config, some features may be missing: EOF"),
    row(
      "iam-users-missing", contains: ["some users may not be available"], is: .brokenButServing,
      "IAM could not be loaded; users and policies are missing.",
      cause: "stored IAM data cannot be read or decrypted, often for a changed or missing key",
      remedy: "see the error at the end of the line; see that the Key Manager holds the old key",
      seen: "2022 to 2026",
      example: "Error: Unable to initialize IAM sub-system, some users may not be available: EOF"),
    row(
      "iam-partial", contains: ["IAM sub-system is partially initialized"], is: .brokenButServing,
      "IAM was loaded in part; some users and policies are missing.",
      cause:
        "a part of the stored IAM data cannot be read, or the identity provider does not answer",
      remedy: "see the error at the end of the line", seen: "2022 to 2026",
      example: "Error: IAM sub-system is partially initialized, unable to load policies"),
  ]

  // MARK: - The Key Manager

  private static let connect = "Failed to connect to KMS: "
  /// Errors that come after it, as a server with `--json` begins with them.
  private static let keyErrors = [
    "failed to generate data key with KMS key", "failed to create KMS key",
  ]

  private static let keyManager: [LinePattern] = [
    fatal(
      "kms-configuration", "Invalid KMS configuration specified: ",
      bare: ["kms: incomplete configuration", "kms: configuration for "],
      "The MINIO_KMS_ settings contradict each other, or one cannot be read.",
      cause: "one of the four is missing, or settings for KES or a static key stand beside them",
      remedy: "`keyturn lint` on the environment file names the line",
      seen: "2024-05 to 2026", passedKeyManager: false,
      example: "FATAL Invalid KMS configuration specified: kms: incomplete configuration for MinIO "
        + "KMS: missing 'MINIO_KMS_API_KEY'"),
    fatal(
      "kms-api-key", connect, bare: ["mtls: ", "illegal base64 data"],
      contains: ["mtls: ", "illegal base64 data"],
      "MINIO_KMS_API_KEY cannot be read as an API key.",
      cause: "it is cut, mistyped, or of a kind that this release does not know",
      remedy: "put in the key as the Key Manager printed it; `keyturn lint` checks its form",
      seen: "2024-05 to 2026", passedKeyManager: false,
      example: "FATAL Failed to connect to KMS: mtls: invalid EdDSA private key length 3"),
    fatal(
      "kms-refused", connect, bare: keyErrors, contains: ["connection refused"],
      "No Key Manager listens at the endpoint.",
      cause:
        "the Key Manager is down, or the port is wrong: it listens on 7373, none means 443",
      remedy: "start the Key Manager, or correct MINIO_KMS_SERVER",
      seen: "2024-05 to 2026", passedKeyManager: false,
      example: "FATAL Failed to connect to KMS: failed to generate data key with KMS key: "
        + "\"kms-1:7373\": Post \"https://kms-1:7373/v1/kms/e\": dial tcp 10.0.0.5:7373: "
        + "connect: connection refused"),
    fatal(
      "kms-no-such-host", connect, bare: keyErrors,
      contains: ["no such host", "server misbehaving", "name resolution"],
      "A Key Manager's name does not resolve.",
      cause: "the name in MINIO_KMS_SERVER is wrong, or the resolver of this node does not know it",
      remedy: "correct MINIO_KMS_SERVER, or the name service of this node",
      seen: "2024-05 to 2026", passedKeyManager: false,
      example: "FATAL Failed to connect to KMS: failed to generate data key with KMS key: "
        + "\"kms3-example.net\": dial tcp: lookup kms3-example.net: no such host"),
    fatal(
      "kms-timeout", connect, bare: keyErrors,
      contains: ["i/o timeout", "deadline exceeded", "no route to host", "network is unreachable"],
      "A Key Manager cannot be reached.",
      cause: "a firewall or a route between this node and the Key Manager",
      remedy: "open TCP from this node to the endpoint's port, then try `keyturn check`",
      seen: "2024-05 to 2026", passedKeyManager: false,
      example: "FATAL Failed to connect to KMS: failed to generate data key with KMS key: "
        + "\"kms-1:7373\": dial tcp 10.0.0.5:7373: i/o timeout"),
    fatal(
      "kms-unknown-authority", connect, bare: keyErrors, contains: ["signed by unknown authority"],
      "The Key Manager's certificate is of an authority that this node does not trust.",
      cause:
        "its CA is not in CAs of the certs directory, or the service user cannot read it",
      remedy: "put the CA's certificate there, readable for the service user",
      seen: "2024-05 to 2026", passedKeyManager: false,
      example: "FATAL Failed to connect to KMS: failed to generate data key with KMS key: "
        + "\"kms-1:7373\": tls: failed to verify certificate: x509: certificate signed by "
        + "unknown authority"),
    fatal(
      "kms-certificate", connect, bare: keyErrors, contains: ["x509: ", "tls: "],
      "TLS with the Key Manager failed.",
      cause:
        "its certificate expired or is for another name, or it refuses that of the API key",
      remedy: "see the end of the line; renew the certificate, or use the name that it is for",
      seen: "2024-05 to 2026", passedKeyManager: false,
      example: "FATAL Failed to connect to KMS: failed to generate data key with KMS key: "
        + "\"kms-1:7373\": x509: certificate is valid for kms-2, not kms-1"),
    fatal(
      "kms-enclave", connect, bare: keyErrors, contains: ["enclave does not exist"],
      "The Key Manager has no such enclave.",
      cause: "MINIO_KMS_ENCLAVE is mistyped, or the enclave was not created",
      remedy: "correct MINIO_KMS_ENCLAVE, or create it with `minkms add-enclave`",
      seen: "2024-05 to 2026", passedKeyManager: false,
      example: "FATAL Failed to connect to KMS: failed to generate data key with KMS key: "
        + "\"kms-1:7373\": enclave does not exist"),
    fatal(
      "kms-create-key", connect, bare: keyErrors, contains: ["failed to create KMS key"],
      "The key does not exist, and the Key Manager did not create it.",
      cause: "creating a key needs every Key Manager node, and KEY:CREATE in the identity's policy",
      remedy: "create the key with `minkms add-key` while all of its nodes are up",
      seen: "2024-05 to 2026", passedKeyManager: false,
      example: "FATAL Failed to connect to KMS: failed to create KMS key: \"kms-1:7373\": "
        + "not ready to write"),
    fatal(
      "kms-connect", connect, bare: keyErrors + ["kms: "], "The Key Manager could not be used.",
      cause: "no endpoint of MINIO_KMS_SERVER gave a data key for MINIO_KMS_SSE_KEY",
      remedy: "`keyturn check` tries each step to each endpoint from this node",
      seen: "2024-05 to 2026", passedKeyManager: false,
      example: "FATAL Failed to connect to KMS: failed to generate data key with KMS key: "
        + "failed to read key"),
    fatal(
      "kms-auto-encryption", "MINIO_KMS_AUTO_ENCRYPTION requires a valid KMS configuration",
      bare: ["no KMS configured"], "Encryption is on, but no Key Manager is configured.",
      cause: "the MINIO_KMS_ settings are missing from what this process was given",
      remedy: "see that the unit loads the environment file that holds them",
      seen: "2026", passedKeyManager: false,
      example: "FATAL MINIO_KMS_AUTO_ENCRYPTION requires a valid KMS configuration: "
        + "no KMS configured"),
    fatal(
      "kes-connect", "Unable to initialize a connection to KES",
      "The KES server could not be used.",
      cause: "the MINIO_KMS_KES_ settings are wrong, or KES is down",
      remedy: "see the end of the line and the KES server's log",
      seen: "2021 to 2024-04", passedKeyManager: false,
      example: "ERROR Unable to initialize a connection to KES as specified by the shell "
        + "environment: dial tcp 10.0.0.9:7373: connect: connection refused"),
    fatal(
      "root-key", "Unable to generate root access key using KMS: ",
      "No root credentials could be derived.",
      cause:
        "MINIO_ROOT_USER and MINIO_ROOT_PASSWORD are not set, and this Key Manager derives none",
      remedy: "set both in the environment file", seen: "2024-05 to 2026", passedKeyManager: true,
      example: "FATAL Unable to generate root access key using KMS: not supported"),
  ]

  // MARK: - Configuration and arguments

  private static let configuration: [LinePattern] = [
    fatal(
      "config-env-malformed", "Unable to read the config environment file: ",
      bare: ["envEntry malformed"], contains: ["malformed", "token too long"],
      "A line of MINIO_CONFIG_ENV_FILE is not KEY=value.",
      cause:
        "MinIO reads the file more strictly than systemd: a line without `=`, or a `;` comment",
      remedy: "`keyturn lint` on that file names the line",
      seen: "2022-06 to 2026", passedKeyManager: false,
      example: "FATAL Unable to read the config environment file: envEntry malformed; x, "
        + "expected to be of form 'KEY=value'"),
    fatal(
      "config-env-permission", "Unable to read the config environment file: ",
      contains: ["permission denied"], "The service user may not read MINIO_CONFIG_ENV_FILE.",
      cause: "the server reads it itself, as the unit's User=, not as root",
      remedy: "make it 0640 and of the service's group",
      seen: "2022-06 to 2026", passedKeyManager: false,
      example: "FATAL Unable to read the config environment file: open /etc/minio/config.env: "
        + "permission denied"),
    fatal(
      "config-env", "Unable to read the config environment file: ",
      "MINIO_CONFIG_ENV_FILE could not be read.",
      cause: "the file that it names is not one that the server can use",
      remedy: "see the end of the line", seen: "2022-06 to 2026", passedKeyManager: false,
      example: "FATAL Unable to read the config environment file: read /etc/minio: is a directory"),
    fatal(
      "arguments-invalid", "Invalid command line arguments", "The server's arguments are wrong.",
      cause:
        "MINIO_OPTS or MINIO_VOLUMES is wrong or empty, or the environment file was not loaded",
      remedy: "see both in the environment file, and that the unit loads it",
      seen: "2026", passedKeyManager: false,
      example: "FATAL Invalid command line arguments: Host in endpoint is empty"),
    fatal(
      "arguments-check", "Unable to validate passed arguments", "The server's arguments are wrong.",
      cause: "MINIO_OPTS or MINIO_VOLUMES is wrong", remedy: "see both in the environment file",
      seen: "2026", passedKeyManager: false,
      example: "FATAL Unable to validate passed arguments in MinIO configuration: bad address"),
    fatal(
      "endpoints", "Unable to prepare the list of endpoints: ",
      "MINIO_VOLUMES does not give a valid list of endpoints.",
      cause: "an ellipsis, a host or a path in it is wrong, or no host in it is this one",
      remedy: "compare MINIO_VOLUMES on all nodes; see that this node's name resolves to it",
      seen: "2026", passedKeyManager: false,
      example: "FATAL Unable to prepare the list of endpoints: lookup minio-9: no such host"),
    fatal(
      "tls", "Unable to load the TLS configuration: ", "The server's certificate cannot be used.",
      cause: "public.crt or private.key in the certs directory is damaged, apart, or not readable",
      remedy: "see both as the service user", seen: "2026", passedKeyManager: false,
      example: "FATAL Unable to load the TLS configuration: tls: private key does not match "
        + "public key"),
    fatal(
      "credentials", "Unable to validate credentials inherited from the shell environment",
      bare: ["Invalid credentials"], "The root credentials are not valid.",
      cause: "MINIO_ROOT_USER has fewer than 3 characters, or MINIO_ROOT_PASSWORD fewer than 8",
      remedy: "correct both in the environment file", seen: "2026", passedKeyManager: true,
      example: "ERROR Unable to validate credentials inherited from the shell environment: "
        + "Invalid credentials"),
  ]

  // MARK: - The server itself

  private static let server: [LinePattern] = [
    row(
      "port-in-use", .server, .fatal,
      contains: ["port is already in use", "address already in use"], is: .fatal(.fatalLine),
      "Another process listens on the server's port.",
      cause: "mostly the old server, which did not end in time (SendSIGKILL=no)",
      remedy: "find it with `ss -ltnp`, end it, start the unit again",
      seen: "2024 to 2026", passedKeyManager: true,
      example: "FATAL Unable to start the server: Specified port is already in use"),
    row(
      "start-guard", .server, nil, StartGuardLine.head, is: .fatal(.fatalLine),
      "The start guard, keyturn guard, did not let the server start.",
      cause:
        "another SSE key or enclave than the sealed one stands in the server's environment, or "
        + "which one is sealed cannot be known",
      remedy: "do what the end of the line says; docs/use/seal.md, \"The start guard\"",
      seen: "Keyturn's own",
      example: StartGuardLine.head
        + "MINIO_KMS_SSE_KEY is \"other\" in what systemd hands over, but "
        + "the key \"store\" in the enclave \"tenant\" is sealed since 2026-01-31T12:00:00Z"),
    fatal(
      "start-server", "Unable to start the server: ", "The server could not begin to listen.",
      cause: "the address is not one of this host, or the start was cancelled",
      remedy: "see the end of the line, and --address in MINIO_OPTS",
      seen: "2026", passedKeyManager: true,
      example: "FATAL Unable to start the server: listen tcp 10.9.9.9:9000: bind: cannot assign "
        + "requested address"),
    fatal(
      "backend", "Unable to initialize backend: ", "The drives cannot be used as they are.",
      cause: "drives of another deployment, in another order, too few, or without permission",
      remedy: "see the end of the line, and the mounts under MINIO_VOLUMES",
      seen: "2026", passedKeyManager: true,
      example: "FATAL Unable to initialize backend: decodeXLHeaders: Unknown xl meta version 3"),
    fatal(
      "start", "Unable to start MinIO: ", "The server could not start.",
      cause: "see the end of the line", remedy: "see the end of the line",
      seen: "2026", passedKeyManager: nil,
      example: "FATAL Unable to start MinIO: no drives"),
  ]

  // MARK: - systemd, about the unit

  private static let manager: [LinePattern] = [
    row(
      "start-limit", .manager, contains: [startLimit], is: .fatal(.startLimit),
      "systemd does not start the unit again.",
      cause: "it failed more often than StartLimitBurst= allows",
      remedy: "correct what made it fail, then `systemctl reset-failed` and start it again",
      seen: "systemd 252 to 257", example: "minio.service: Start request repeated too quickly."),
    row(
      "environment-file", .manager, contains: ["Failed to load environment files: "],
      is: .fatal(.fatalLine), "systemd could not read the environment file.",
      cause: "it is missing, or holds bytes that are not UTF-8",
      remedy: "`keyturn lint` on the environment file",
      seen: "systemd 252 to 257", passedKeyManager: false,
      example: "minio.service: Failed to load environment files: No such file or directory"),
    row(
      "environment-assignment", .manager, contains: ["Ignoring invalid environment assignment"],
      is: .warning, "systemd left out a line of the environment file.",
      cause: "its name is not a valid one (`export`, a blank, a dash)",
      remedy: "`keyturn lint` on the environment file names the line", seen: "systemd 252 to 257",
      example: "minio.service: Ignoring invalid environment assignment 'export A=b': "
        + "/etc/default/minio"),
    row(
      "exec", .manager, contains: ["Failed at step ", "Failed to execute ", "locate executable"],
      is: .fatal(.fatalLine), "systemd could not run the server.",
      cause: "the program, its directory or its user is missing, or may not be used",
      remedy: "see the step that the line names in the unit",
      seen: "systemd 252 to 257", passedKeyManager: false,
      example: "minio.service: Failed at step EXEC spawning /usr/local/bin/minio: "
        + "No such file or directory"),
    row(
      "asserts", .manager, contains: ["asserts failed", "assertions failed"],
      is: .fatal(.fatalLine), "An Assert...= of the unit is not met.",
      cause: "the program or the environment file is missing or empty",
      remedy: "see AssertFileNotEmpty= and AssertFileIsExecutable= of the unit",
      seen: "systemd 252 to 257", passedKeyManager: false,
      example: "minio.service: Starting requested but asserts failed."),
    row(
      "start-timeout", .manager, contains: ["start operation timed out"], is: .fatal(.fatalLine),
      "READY=1 did not come before the unit's TimeoutStartSec=.",
      cause: "it waits for its peers, or it is too old to send READY=1 (before 2023-05-04)",
      remedy: "set TimeoutStartSec=infinity as in the official unit", seen: "systemd 252 to 257",
      example: "minio.service: start operation timed out. Terminating."),
    row(
      "out-of-memory", .manager, contains: ["killed by the OOM killer"], is: .fatal(.exited),
      "The kernel ended the server for want of memory.",
      cause: "the host or the unit has too little memory",
      remedy: "give it more, or look at MemoryMax= of the unit", seen: "systemd 252 to 257",
      example: "minio.service: A process of this unit has been killed by the OOM killer."),
    row(
      "killed", .manager, contains: ["Main process exited, code=killed", "exited, code=dumped"],
      is: .fatal(.exited), "A signal ended the new process.",
      cause: "someone or the kernel ended it, or it crashed",
      remedy: "see `coredumpctl` and the kernel's log", seen: "systemd 252 to 257",
      example: "minio.service: Main process exited, code=killed, status=9/KILL"),
    row(
      "exited", .manager, contains: ["Main process exited"], is: .fatal(.exited),
      "The new process ended.",
      cause: "it found something that it cannot start with; its own last line says what, if it has "
        + "logged one",
      remedy: "read its last lines: `keyturn logs`, or where `--log-dir` points",
      seen: "systemd 252 to 257",
      example: "minio.service: Main process exited, code=exited, status=1/FAILURE"),
    row(
      "restart-scheduled", .manager, contains: ["Scheduled restart job"], is: .fatal(.exited),
      "The new process ended, and systemd starts it again.",
      cause: "it ends soon after each start, and systemd gives up after a few",
      remedy: "read its last lines: `keyturn logs`, or where `--log-dir` points",
      seen: "systemd 252 to 257",
      example: "minio.service: Scheduled restart job, restart counter is at 2."),
  ]
}
