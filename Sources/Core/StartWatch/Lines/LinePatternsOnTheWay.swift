// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import ServerUnit

// The rows of ``LinePattern/table`` for a server that goes on: what it waits for, what a good start
// says, what to look at; and journald's for lines that are lost.

extension LinePattern {
  // MARK: - On the way: peers, drives, quorum

  static let waiting: [LinePattern] = [
    row(
      "peers", .server, nil, "Waiting for at least ", contains: ["remote servers with valid"],
      is: .progress(.waitingForPeers), "Too few peers answer with the same configuration.",
      seen: "2024 to 2026",
      example: "INFO: Waiting for at least 3 remote servers with valid configuration to be online"),
    row(
      "peers-older", .server, nil, "Waiting for at",
      contains: ["remote servers to be online"],
      is: .progress(.waitingForPeers), "Too few peers answer.",
      seen: "2020 to 2023-10",
      example: "Waiting for atleast 1 remote servers to be online for bootstrap check"),
    row(
      "peers-offline", .server, nil, "Following servers are currently offline or unreachable",
      is: .progress(.waitingForPeers), "Those peers do not answer.", seen: "2021 to 2026",
      example: "INFO: Following servers are currently offline or unreachable "
        + "[https://minio-2:9000 is unreachable: connection refused]"),
    row(
      "peers-mismatching", .server, nil, "Following servers have mismatching configuration",
      is: .progress(.waitingForPeers), "Those peers run with another configuration.",
      cause: "they still run with the old environment, or their file differs",
      remedy: "restart all nodes at once; compare the MINIO_* values with `keyturn plan`",
      seen: "2024 to 2026",
      example: "INFO: Following servers have mismatching configuration "
        + "[https://minio-2:9000 has incorrect configuration: x]"),
    row(
      "drives-connect", .server, nil, "Unable to connect to ", contains: ["will be retried"],
      is: .progress(.waitingForDrives), "A peer's drives cannot be reached yet.", seen: "2026",
      example: "INFO: Unable to connect to http://minio-2:9000/data1: connection refused, "
        + "will be retried"),
    row(
      "drives-use", .server, nil, "Unable to use the drive ", contains: ["will be retried"],
      is: .progress(.waitingForDrives), "A drive cannot be used yet.", seen: "2026",
      example: "INFO: Unable to use the drive /data1: drive not found, will be retried"),
    row(
      "drives-minimum", .server, nil, "Waiting for a minimum of ",
      contains: ["drives to come online", "disks to come online"],
      is: .progress(.waitingForDrives), "Too few drives are there.",
      seen: "2021 to 2026",
      example: "INFO: Waiting for a minimum of 8 drives to come online (elapsed 5s)"),
    row(
      "drives-formatting", .server, nil, "Formatting ", contains: [" pool, "],
      is: .progress(.waitingForDrives), "New drives are being formatted.", seen: "2026",
      example: "INFO: Formatting 1st pool, 1 set(s), 8 drives per set."),
    row(
      "drives-first-server", .server, nil, "Waiting for the first server to format",
      is: .progress(.waitingForDrives), "The first server has to format the drives.", seen: "2026",
      example: "INFO: Waiting for the first server to format the drives (elapsed 3s)"),
    row(
      "drives-other-servers", .server, nil, "Waiting for all other servers to be online to format",
      is: .progress(.waitingForDrives), "The drives are formatted when all servers are there.",
      seen: "2026",
      example: "INFO: Waiting for all other servers to be online to format the drives "
        + "(elapses 3s)"),
    row(
      "quorum", .server, nil, "Waiting for quorum READ", is: .progress(.waitingForQuorum),
      "Too few drives of an erasure set answer to read from it.", seen: "2026",
      example: "INFO: Waiting for quorum READ healthcheck to succeed retrying in 1s.. "
        + "possible cause unhealthy sets"),
    row(
      "subsystems-wait", .server, nil, "Waiting for all MinIO sub-systems to be initialize",
      is: .progress(.initialising), "The sub-systems are being initialised.", seen: "2021 to 2026",
      example: "INFO: Waiting for all MinIO sub-systems to be initialize..."),
    row(
      "iam-wait", .server, nil, "Waiting for all MinIO IAM sub-system to be initialized",
      is: .progress(.initialising), "IAM is being loaded.", seen: "2026",
      example: "INFO: Waiting for all MinIO IAM sub-system to be initialized.. possible cause "
        + "(read quorum)"),
  ]

  // MARK: - A good start

  static let good: [LinePattern] = [
    row(
      "subsystems", .server, nil, "All MinIO sub-systems initialized successfully",
      is: .success(.subsystems), "The sub-systems are initialised.", seen: "2021 to 2026",
      example: "INFO: All MinIO sub-systems initialized successfully in 12.5ms"),
    row(
      "iam", .server, nil, "IAM load(startup) finished", is: .success(.iam), "IAM is loaded.",
      seen: "2026", example: "INFO: IAM load(startup) finished. (duration: 3.1ms)"),
    row(
      "banner", .server, nil, "MinIO Object Storage Server", is: .success(.banner),
      "The banner of the open-source server.", seen: "2022 to 2026",
      example: "MinIO Object Storage Server"),
    row(
      "banner-aistor", .server, nil, "MinIO AIStor Server", is: .success(.banner),
      "The banner of AIStor.", seen: "AIStor", example: "MinIO AIStor Server"),
    row(
      "banner-api", .server, nil, "API: http", is: .success(.banner),
      "The banner's line of addresses; the first line of the banner before 2022.",
      seen: "2021 to 2026, AIStor",
      example: "API: https://10.0.0.1:9000  https://127.0.0.1:9000 "),
  ]

  // MARK: - To look at

  static let drives: [LinePattern] = [
    row(
      "drive-offline", .server, .error, "Drive ",
      contains: ["please investigate - drive will be offline"], is: .driveLost,
      "A drive cannot be used, and the server goes on without it.",
      cause: "what is on it is damaged, it is another deployment's, or it does not answer",
      remedy:
        "see the end of the line and the drive's mount; MinIO heals a drive that comes back empty",
      seen: "2024 to 2026",
      example: "Error: Drive http://minio-3:9000/data returned an unexpected error: Drive /data: "
        + "invalid character 'g' looking for beginning of value, please investigate - drive will "
        + "be offline (*fmt.wrapError)"),
    row(
      "drive-corrupt", .server, .error, "Drive /", contains: [": "], is: .driveLost,
      "A drive of this node cannot be read.",
      cause: "its format.json is damaged, or the drive is failing",
      remedy: "see the end of the line and the kernel's log; replace the drive or restore the file",
      seen: "2024 to 2026",
      example: "Error: Drive /var/lib/minio: invalid character 'g' looking for beginning of value "
        + "(*fmt.wrapError)"),
    row(
      "drive-not-found", .server, .error, "Drive: ", contains: ["returned drive not found"],
      is: .warning, "A peer's drive does not answer.",
      cause: "the peer restarts, is down, or has lost the drive",
      remedy: "nothing while the peer restarts; otherwise see that node's drives: `mc admin info`",
      seen: "2024 to 2026",
      example: "Error: Drive: http://minio-3:9000/data returned drive not found (*fmt.wrapError)"),
    row(
      "write-quorum", .server, .error, "Write quorum could not be established", is: .warning,
      "When its health was asked for, the server saw too few drives of a set to write to it.",
      cause: "peers start later than this server, or are down",
      remedy:
        "nothing while nodes restart; otherwise see which drives are offline: `mc admin info`",
      seen: "2023 to 2026",
      example: "Error: Write quorum could not be established on pool: 0, set: 0, expected write "
        + "quorum: 3, drives-online: 2 (*errors.errorString)"),
    row(
      "grid-reconnecting", .server, .error, "grid: ", contains: [" re-connecting to "],
      is: .warning, "The connection to a peer was lost and is being made again.",
      cause: "the peer restarts, or is down",
      remedy: "nothing while nodes restart; otherwise see whether the peer's server runs",
      seen: "2024 to 2026",
      example: "Error: grid: http://minio-1:9000 re-connecting to http://minio-2:9000: dial tcp "
        + "10.0.0.2:9000: connect: connection refused (*net.OpError) Sleeping 1.9s (3) "
        + "(*fmt.wrapError)"),
    row(
      "backend-retry", .server, .error, "Unable to initialize backend: ",
      contains: [", retrying in "], is: .warning,
      "The server cannot read or write its own data on the drives yet, and tries again.",
      cause: "too few drives of the first set answer",
      remedy: "nothing while nodes restart; otherwise see which drives are offline",
      seen: "2023 to 2026",
      example: "Error: Unable to initialize backend: Storage resources are insufficient for the "
        + "write operation .minio.sys/pool.bin, retrying in 2.1s (*fmt.wrapError)"),
    row(
      "pool-save", .server, .error, "saving pool.bin for pool index ", is: .warning,
      "The server could not save its list of pools; it tries again.",
      cause: "too few drives of the first set answer",
      remedy: "nothing while nodes restart; otherwise see which drives are offline",
      seen: "2023 to 2026",
      example: "Error: saving pool.bin for pool index 0 failed with: Storage resources are "
        + "insufficient for the write operation .minio.sys/pool.bin (*errors.errorString)"),
    row(
      "kms-ciphertext", .server, .error, contains: ["failed to decrypt ciphertext with KMS key"],
      is: .warning, "The Key Manager did not decrypt a data key.",
      cause: "it holds other bytes under the name of the key that the data was encrypted with, or "
        + "it does not answer",
      remedy: "compare the key with the one that was in use; do not write before it is the same",
      seen: "2024-05 to 2026",
      example: "Error: failed to decrypt ciphertext with KMS key: \"kms-1:7373\": invalid "
        + "ciphertext (kms.Error)"),
  ]

  static let warnings: [LinePattern] = [
    row(
      "peer-configuration", contains: [" has incorrect configuration: "], is: .warning,
      "A peer runs with another configuration.",
      cause: "it still runs with the old environment, or its file differs",
      remedy: "compare the MINIO_* values of both nodes with `keyturn plan`",
      seen: "2023-11 to 2026",
      example: "Error: https://minio-2:9000 has incorrect configuration: Expected MINIO_* "
        + "environment name and values across all servers to be same: "
        + "Mismatching environment values: [MINIO_KMS_SERVER]."),
    row(
      "default-credentials", contains: ["Detected default credentials"], is: .warning,
      "The root password is the one that everyone knows.",
      remedy: "set MINIO_ROOT_USER and MINIO_ROOT_PASSWORD", seen: "2026",
      example: "WARN: Detected default credentials 'minioadmin:minioadmin', we recommend that you "
        + "change these values"),
  ]

  // MARK: - journald, about the lines

  static let journal: [LinePattern] = [
    row(
      "journal-suppressed", .journal, contains: ["Suppressed "], is: .linesLost,
      "journald has dropped lines of the server.",
      cause: "the server logs more than RateLimitBurst= of journald allows",
      remedy: "set LogRateLimitIntervalSec=0 in the server's unit, or look at what logs so much",
      seen: "systemd 240 to 257", example: "Suppressed 1042 messages from minio.service"),
    row(
      "journal-started", .journal, contains: ["Journal started"], is: .linesLost,
      "journald was restarted.",
      cause: "it was restarted, or it crashed: what was logged meanwhile may be lost",
      remedy: "see `systemctl status systemd-journald`",
      seen: "systemd 240 to 257", example: "Journal started"),
    row(
      "journal-gap", .journal, contains: [loss], is: .linesLost,
      "Entries were removed from the journal before they were read.",
      cause:
        "the journal was rotated or vacuumed; it has too little room (RuntimeMaxUse=, SystemMaxUse=)",
      remedy: "give the journal more room (journald.conf(5))",
      seen: "Keyturn's own, of the follower of the journal", example: loss),
  ]
}
