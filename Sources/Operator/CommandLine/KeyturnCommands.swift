// SPDX-License-Identifier: Apache-2.0
internal import Model

enum KeyturnCommands {
  static let table = CommandTable(
    program: "keyturn",
    summary: "one encryption setting and one instant of restart for all nodes of an AIStor cluster",
    commands: [
      plan, apply, restart, rollback, watch, resolve, check, status, history, show, diff, explain,
      logs, propose, proposals,
      sealShow, sealRecover, lint, startGuard, pkiInit, pkiIssue, pkiShow,
    ],
    commonOptions: [
      OptionRule("json", help: "print JSON lines; the last is the result"),
      OptionRule("quiet", short: "q", help: "print results and errors only"),
      OptionRule("no-color", help: "no colours (also NO_COLOR, TERM=dumb, or no terminal)"),
      OptionRule("help", short: "h", help: "this text"),
    ])

  private static let clusterOptions = [
    OptionRule(
      "inventory", takes: .one("FILE"),
      help: "the cluster (else $KEYTURN_INVENTORY, ./inventory.json, /etc/keyturn/inventory.json)"),
    OptionRule(
      "credentials", takes: .one("DIR"),
      help: "ca.pem, cert.pem, key.pem (else $KEYTURN_CREDENTIALS, /etc/keyturn/credentials)"),
  ]

  private static let settingsOptions = [
    OptionRule(
      "settings", takes: .one("FILE"), help: "the settings as KEY=value lines; - is standard input"),
    OptionRule("unset", takes: .repeated("KEY"), help: "remove a setting; may be repeated"),
    OptionRule(
      "api-key-file", takes: .one("FILE"),
      help: "the value of MINIO_KMS_API_KEY, from a file of its own; - is standard input"),
    OptionRule(
      "create-key", help: "allow that the first start creates the SSE key where there is none yet"),
  ]

  private static let untouchedCodes: [ExitCode] = [
    .unreachable, .validationRefused, .guardRefused, .keyManagerRefused, .voteRefused,
  ]
  private static let ownCodes: [ExitCode] = [.notPermitted, .badConfiguration]

  private static let plan = CommandRule(
    name: "plan",
    summary: "show what would change on each node, after every check; change nothing",
    details: """
      Every node parses its own file, applies the settings, validates the result as systemd and MinIO would
      read it, asks the key guard and probes every Key Manager endpoint. An API key is shown as its identity.
      """,
    operands: [],
    options: settingsOptions + [
      OptionRule("detailed-exitcode", help: "exit 2 when something would change")
    ] + clusterOptions,
    examples: [
      .init(line: "keyturn plan --settings kms.env", purpose: "what would these settings change?"),
      .init(
        line: "keyturn plan --settings kms.env --api-key-file key --detailed-exitcode",
        purpose: "exit 0: nothing to do; 2: something would change"),
    ],
    exitCodes: [.done, .failed, .changesPending] + untouchedCodes + [.busy] + ownCodes)

  private static let apply = CommandRule(
    name: "apply",
    summary: "plan, ask, then install the settings on all nodes and restart them at one instant",
    details: """
      Every node must vote yes before anything is touched. Each start is followed until it is confirmed, and a
      fatal line is shown at once. Ctrl-C before commit is proposed ends in nothing touched; after that it ends
      the watching only, as soon as every node knows the decision: the agents go on by themselves, and keyturn
      watch shows them.

      If a start is not confirmed and no server got past the Key Manager with a key that it did not have before,
      the previous files are rolled out again. If the nodes are in the same rollout already it is watched.
      """,
    operands: [],
    options: settingsOptions + [
      OptionRule(
        "rollback", takes: .one("POLICY"),
        help: "when-safe or never, if a start is not confirmed; else the inventory's"),
      OptionRule("yes", short: "y", help: "do not ask; needed where there is no terminal"),
    ] + clusterOptions,
    examples: [
      .init(line: "keyturn apply --settings kms.env", purpose: "shows the plan and asks first"),
      .init(
        line: "keyturn apply --settings kms.env --api-key-file - --yes <key",
        purpose: "from a pipeline, the API key from standard input"),
      .init(
        line: "keyturn apply --unset MINIO_KMS_REPLICATE_KEYID", purpose: "removes one setting"),
    ],
    exitCodes: [.done, .failed, .unknown] + untouchedCodes + [
      .notConfirmed, .rolledBack, .rolledBackUnhealthy, .busy,
    ] + ownCodes)

  private static let watch = CommandRule(
    name: "watch",
    summary: "follow a rollout to its end, from anywhere, through a rollback too",
    details: """
      Changes nothing; Ctrl-C ends the watching only. Without ID: the rollout that the nodes are in, or the last
      one. The exit code is the one that the rollout's own command line would have; one that was aborted is 8.
      """,
    operands: [], optionalOperands: ["ID"],
    options: clusterOptions,
    examples: [
      .init(line: "keyturn watch", purpose: "what is going on?"),
      .init(
        line: "keyturn watch 0d07a7a0593ac303",
        purpose: "after Ctrl-C, or one that the nodes began by themselves"),
    ],
    exitCodes: [
      .done, .failed, .unknown, .validationRefused, .voteRefused, .notConfirmed, .rolledBack,
      .rolledBackUnhealthy,
    ] + ownCodes)

  private static let propose = CommandRule(
    name: "propose",
    summary: "hand settings to this host's agent; the nodes roll them out when all have the same",
    details: """
      For configuration management, as root on each node, in any order and as often as it likes. Returns at once
      and says what is still missing. When all nodes hold the same, and nothing new has come for 2 s, the first
      node begins the rollout, with all checks and votes, without a question. What is in force already is said so
      and changes nothing. Settings whose rollout was not confirmed are refused with the exit code of that, until
      they are others, or a person says otherwise (proposals --retry, apply). --json: the result says whether
      anything was changed.
      """,
    operands: [],
    options: settingsOptions + [
      OptionRule("wait", help: "wait until it is in force on all nodes, or has failed"),
      OptionRule(
        "timeout", takes: .one("SECONDS"), help: "how long to wait; 900 if left out, then exit 75"),
      OptionRule("withdraw", help: "take this host's proposal back"),
      OptionRule(
        "socket", takes: .one("PATH"), help: "the agent's; /run/keyturn/agent.sock if left out"),
    ],
    examples: [
      .init(line: "keyturn propose --settings kms.env", purpose: "on each node"),
      .init(
        line: "keyturn propose --settings kms.env --wait --json",
        purpose: "exit 0 when it is confirmed on all nodes"),
      .init(line: "keyturn propose --withdraw", purpose: "this node wants nothing any more"),
    ],
    exitCodes: [.done, .failed] + untouchedCodes + [
      .notConfirmed, .rolledBack, .rolledBackUnhealthy, .busy,
    ] + ownCodes)

  private static let proposals = CommandRule(
    name: "proposals",
    summary: "who holds which proposal, and where it stands",
    details: """
      PROPOSAL is the beginning of a digest over the settings: nodes with the same one agree. Settings whose rollout
      was not confirmed are not rolled out again by themselves, and every run of propose says so. When the cause is
      mended, --retry with their digest has all nodes take them again at their next propose.
      """,
    operands: [],
    options: [
      OptionRule(
        "retry", takes: .one("DIGEST"),
        help: "take these settings again; at least 8 digits of their digest")
    ] + clusterOptions,
    examples: [
      .init(line: "keyturn proposals", purpose: "which nodes are still missing?"),
      .init(line: "keyturn proposals --retry 4f1c9a02b7d3", purpose: "the cause is mended"),
    ],
    exitCodes: [.done, .failed, .unknown, .validationRefused] + ownCodes)

  private static let restart = CommandRule(
    name: "restart",
    summary: "restart all nodes at one instant, the file as it is",
    details: "The same rollout as apply, votes and checks included, without a change of the file.",
    operands: [],
    options: [OptionRule("yes", short: "y", help: "do not ask; needed where there is no terminal")]
      + clusterOptions,
    examples: [
      .init(line: "keyturn restart", purpose: "asks first"),
      .init(line: "keyturn restart --yes --json", purpose: "from a pipeline"),
    ],
    exitCodes: [.done, .failed, .unknown] + untouchedCodes + [.notConfirmed, .busy] + ownCodes)

  private static let rollback = CommandRule(
    name: "rollback",
    summary: "install the files of an earlier generation on all nodes and restart them",
    details: """
      The same rollout as apply: plan, question, votes, key guard and Key Manager checks, one instant. Every node
      must have the generation, from the same rollout. Without one: the newest that every node has and that is
      not what the files are now. Once confirmed, the old files are a new generation.
      """,
    operands: [], optionalOperands: ["GENERATION"],
    options: [OptionRule("yes", short: "y", help: "do not ask; needed where there is no terminal")]
      + clusterOptions,
    examples: [
      .init(
        line: "keyturn rollback", purpose: "to the last good one; shows the plan and asks first"),
      .init(line: "keyturn rollback 12 --yes", purpose: "to this one; from a pipeline"),
    ],
    exitCodes: [.done, .failed, .unknown] + untouchedCodes + [.notConfirmed, .busy] + ownCodes)

  private static let history = CommandRule(
    name: "history",
    summary: "the generations of the environment files: who, when, which rollout, on which nodes",
    details: """
      A generation is a file that a start was confirmed with; its number is the same on all nodes. Number 0 is
      the file that was found before the first change. The last 20 are kept.
      """,
    operands: [],
    options: clusterOptions,
    examples: [
      .init(line: "keyturn history", purpose: "nodes that have the same together; drift is marked")
    ],
    exitCodes: [.done, .failed, .unknown] + ownCodes)

  private static let diff = CommandRule(
    name: "diff",
    summary: "what differs between two generations, on each node; secrets as identities",
    details: "Without B: between generation A and the files as they are.",
    operands: ["A"], optionalOperands: ["B"],
    options: [OptionRule("exit-code", help: "exit 1 when something differs")] + clusterOptions,
    examples: [
      .init(line: "keyturn diff 3 4", purpose: "what did the rollout of generation 4 change?"),
      .init(line: "keyturn diff 4 --exit-code", purpose: "was a file changed since?"),
    ],
    exitCodes: [.done, .failed, .unknown, .validationRefused] + ownCodes)

  private static let check = CommandRule(
    name: "check",
    summary: "reach every Key Manager from every node and back, and look for drift",
    details: """
      There: DNS, TCP, TLS chain and name, /version, readiness, and with settings the identity, the enclave and
      the key. Back: the witness on each Key Manager host connects to the node's agent and to its MinIO. Then what
      differs between the files, the running process and the last confirmed start. All nodes at once. With --json
      one object. --nagios: one line, and Nagios' exit codes: 0 ok, 1 warning (degraded, drift), 2 critical (a
      link fails, a node is unreachable), 3 unknown.
      """,
    operands: [],
    options: [
      OptionRule("strict", help: "exit 1 on drift, and on anything degraded"),
      OptionRule(
        "timeout", takes: .one("SECONDS"),
        help: "for all of it, 1 to 60; probeSeconds of the inventory if left out, which is 5"),
      OptionRule("watch", help: "look again and again until interrupted"),
      OptionRule("every", takes: .one("SECONDS"), help: "with --watch, 1 to 60; 5 if left out"),
      OptionRule("nagios", help: "one line with performance data for Nagios and its kin"),
    ] + clusterOptions,
    examples: [
      .init(line: "keyturn check", purpose: "before a maintenance window"),
      .init(
        line: "keyturn check --quiet --strict", purpose: "as a test in configuration management"),
      .init(line: "keyturn check --watch", purpose: "while a firewall is being mended"),
      .init(
        line: "keyturn check --nagios --timeout 8", purpose: "as a check of a monitoring system"),
    ],
    exitCodes: [
      .done, .failed, .unreachable, .validationRefused, .guardRefused, .keyManagerRefused,
    ] + ownCodes)

  private static let resolve = CommandRule(
    name: "resolve",
    summary: "have the nodes end a rollout now whose coordinator is gone, and tell how it ended",
    details: """
      A rollout whose keyturn was killed between the votes and the decision leaves nodes in doubt: they are untouched,
      refuse any other, and end it by themselves as soon as a majority of them is connected. This has them try now,
      follows the rollout to its end, and tells what happened on each node. If it was or may have been committed it is
      finished, and the servers restart at once, without a question; otherwise it is aborted.
      """,
    operands: ["ID"],
    options: clusterOptions,
    examples: [
      .init(line: "keyturn resolve 0d07a7a0593ac303", purpose: "the id is in keyturn status")
    ],
    exitCodes: [.done, .failed, .unknown, .unreachable, .notConfirmed] + ownCodes)

  private static let status = CommandRule(
    name: "status",
    summary: "one row for each node of the inventory, reachable or not",
    details: "",
    operands: [],
    options: clusterOptions,
    examples: [
      .init(line: "keyturn status", purpose: "unit, sealed key, generation, rollout, drift")
    ],
    exitCodes: [.done, .failed, .unknown] + ownCodes)

  private static let explain = CommandRule(
    name: "explain",
    summary: "where each value of a variable comes from on each node, and which one wins",
    details: """
      All places in the order in which they count: the service manager's environment, PassEnvironment=,
      Environment=, the files of EnvironmentFile=, UnsetEnvironment=, and the file of MINIO_CONFIG_ENV_FILE, which
      the server reads by itself. What wins is what the next start gets. Secrets are shown as identities, or not.
      """,
    operands: ["KEY"],
    options: clusterOptions,
    examples: [
      .init(
        line: "keyturn explain MINIO_KMS_SSE_KEY",
        purpose: "which definition of the key counts, and what it overrides")
    ],
    exitCodes: [.done, .failed, .unknown] + ownCodes)

  private static let show = CommandRule(
    name: "show",
    summary: "how a rollout went on each node: votes, instant, stop, start, ready, confirmed",
    details: """
      Without ID: the last rollout. Each node keeps the steps of its last 20. All stand on one axis, whose zero is
      the instant of the restart, as the nodes' clocks were measured then.
      """,
    operands: [], optionalOperands: ["ID"],
    options: [
      OptionRule(
        "html", takes: .one("FILE"),
        help: "write a page with a chart instead (0600; a file that is there is refused)")
    ] + clusterOptions,
    examples: [
      .init(line: "keyturn show", purpose: "the last rollout"),
      .init(
        line: "keyturn show 0d07a7a0593ac303 --html rollout.html",
        purpose: "a page of its own, for the report"),
    ],
    exitCodes: [.done, .failed, .unknown, .validationRefused] + ownCodes)

  private static let logs = CommandRule(
    name: "logs",
    summary: "the unit's journal of all nodes, merged by time, secrets redacted",
    details: """
      TIME is a duration back from now (90s, 15m, 2h, 1d) or a time in UTC (2026-01-31 or
      2026-01-31T12:00:00Z). SET is a list like minio-[1-3,5],minio-8. What several nodes log alike within a second
      is one line. Without --since or --rollout the newest lines are printed; with --grep or --errors those of the
      last hour.
      """,
    operands: [],
    options: [
      OptionRule("follow", short: "f", help: "go on with new lines until interrupted"),
      OptionRule("since", takes: .one("TIME"), help: "all lines from then on"),
      OptionRule(
        "rollout", takes: .one("ID"), help: "from that rollout's instant to its outcome"),
      OptionRule(
        "lines", short: "n", takes: .one("LINES"),
        help: "the newest so many; without --since and --rollout 1000, with --follow 10"),
      OptionRule("node", takes: .repeated("SET"), help: "only these nodes; may be repeated"),
      OptionRule(
        "grep", short: "g", takes: .one("PATTERN"),
        help: "only lines that match (extended regular expression, as grep -E)"),
      OptionRule(
        "errors",
        help:
          "only errors: those that Keyturn knows with cause and remedy, others marked as unknown"),
    ] + clusterOptions,
    examples: [
      .init(line: "keyturn logs -f", purpose: "follow all nodes"),
      .init(line: "keyturn logs --since 15m -n 200", purpose: "the newest 200 lines of 15 minutes"),
      .init(
        line: "keyturn logs --rollout 0d07a7a0593ac303 --errors",
        purpose: "what went wrong in that rollout, and what to do"),
      .init(
        line: "keyturn logs -f --node minio-[1-3] --grep 'KMS|IAM'", purpose: "of three nodes"),
    ],
    exitCodes: [.done, .failed, .unknown] + ownCodes)

  private static let sealShow = CommandRule(
    name: "seal show",
    summary:
      "show the seal of each node: which SSE key can never be changed, and whether all agree",
    details: "",
    operands: [],
    options: clusterOptions,
    examples: [.init(line: "keyturn seal show", purpose: "key, enclave, rollout, digest")],
    exitCodes: [.done, .failed, .unknown] + ownCodes)

  private static let sealRecover = CommandRule(
    name: "seal recover",
    summary: "give a node whose seal is lost, damaged or another the seal of the other nodes",
    details: """
      The node asks the others itself. All that are sealed must have the same seal, and they must be more than half
      of them. Find out first why the record was lost. Nothing lifts a seal: docs/use/seal.md, "The seal".
      """,
    operands: ["NODE"],
    options: clusterOptions,
    examples: [
      .init(line: "keyturn seal recover minio-2", purpose: "the node is in keyturn status")
    ],
    exitCodes: [.done, .failed, .unreachable, .guardRefused] + ownCodes)

  private static let lint = CommandRule(
    name: "lint",
    summary: "check an environment file; needs no agent",
    details: """
      Reads the file as systemd and as MinIO do, and shows where they differ, and what a shell that sources it
      would make of it. - is standard input. Secrets are redacted.
      """,
    operands: ["FILE"],
    options: [
      OptionRule("strict", help: "exit 5 on a warning also"),
      OptionRule("show-secrets", help: "do not redact the values of secret variables"),
    ],
    examples: [
      .init(line: "keyturn lint /etc/default/minio", purpose: "check a file"),
      .init(
        line: "keyturn lint --json minio.env",
        purpose: "one object: variables as both read them, findings"),
      .init(line: "keyturn lint --strict - <minio.env", purpose: "check standard input"),
    ],
    exitCodes: [.done, .failed, .validationRefused])

  private static let startGuard = CommandRule(
    name: "guard",
    summary: "the start guard: refuse the start of a server with another key than the sealed one",
    details: """
      systemd runs it before the server (systemd/minio.service.d/10-keyturn.conf). It compares
      MINIO_KMS_SSE_KEY and MINIO_KMS_ENCLAVE of its own environment, and of the file that
      MINIO_CONFIG_ENV_FILE names, with the seal of this host. It needs no agent and no network, says
      nothing when it allows the start, and allows everything where nothing was sealed, or the seal
      was lifted, and no rollback is under way that takes the key away. A seal that was removed or
      damaged refuses. Run by hand it judges the shell's environment: whether the next start would be
      refused is in keyturn status.
      """,
    operands: [],
    options: [
      OptionRule(
        "state", takes: .one("DIR"),
        help: "the agent's records, which must be there; /var/lib/keyturn if left out")
    ],
    examples: [
      .init(
        line: "ExecStartPre=+/usr/local/bin/keyturn guard", purpose: "in the server's unit")
    ],
    exitCodes: [.done, .startRefused])

  private static let days = OptionRule("days", takes: .one("DAYS"), help: "how long it is valid")

  private static let passphraseFile = OptionRule(
    "passphrase-file", takes: .one("FILE"),
    help: "the passphrase of the authority's key, from a file (0600); - is standard input")

  private static let pkiInit = CommandRule(
    name: "pki init",
    summary: "make the certificate authority of a cluster",
    details: """
      Writes ca.pem and ca-key.pem (mode 0600). Never overwrites a file, nor writes into a directory that others can
      change. With a passphrase the key is encrypted (PKCS#8, AES-256), and pki issue asks for it.
      """,
    operands: [],
    options: [
      OptionRule(
        "cluster", takes: .one("NAME"), required: true,
        help: "the cluster's name, as in the inventory"),
      OptionRule("out", takes: .one("DIR"), help: "where to; ./pki if left out"),
      OptionRule("passphrase", help: "encrypt the key with a passphrase that is asked for"),
      passphraseFile,
      days,
    ],
    examples: [
      .init(line: "keyturn pki init --cluster prod", purpose: "writes ./pki/ca.pem and key"),
      .init(line: "keyturn pki init --cluster prod --passphrase", purpose: "the key encrypted"),
    ],
    exitCodes: [.done, .failed])

  private static let pkiIssue = CommandRule(
    name: "pki issue",
    summary: "issue a certificate of the cluster's authority",
    details: """
      Writes ca.pem, cert.pem and key.pem (mode 0600) into a directory of mode 0700. Cluster, role and name are
      in the certificate and are what the agents authorise by. ROLE is node, witness, operator or observer. An
      authority's key that others can read is refused. One with a passphrase has it asked for on the terminal.
      """,
    operands: [],
    options: [
      OptionRule("role", takes: .one("ROLE"), required: true, help: "what it entitles to"),
      OptionRule(
        "name", takes: .one("NAME"), required: true,
        help: "a node's or Key Manager's name in the inventory, or a person's"),
      OptionRule(
        "address", takes: .list("ADDRESS"),
        help: "host names and addresses; node and witness need one"),
      OptionRule("pki", takes: .one("DIR"), help: "where the authority is; ./pki if left out"),
      OptionRule(
        "out", takes: .one("DIR"), help: "where to; a directory of the name beside the authority"),
      passphraseFile,
      days,
    ],
    examples: [
      .init(
        line: "keyturn pki issue --role node --name minio-1 --address minio-1.example.net 10.0.0.1",
        purpose: "for an agent: writes ./pki/minio-1/"),
      .init(
        line: "keyturn pki issue --role witness --name kms-1 --address kms-1.example.net",
        purpose: "for the agent of a Key Manager host"),
      .init(line: "keyturn pki issue --role operator --name alice", purpose: "for a person"),
    ],
    exitCodes: [.done, .failed])

  private static let pkiShow = CommandRule(
    name: "pki show",
    summary: "show what a certificate entitles to, and until when",
    details: "",
    operands: ["FILE"],
    options: [],
    examples: [
      .init(
        line: "keyturn pki show /etc/keyturn/credentials/cert.pem", purpose: "cluster, role, name")
    ],
    exitCodes: [.done, .failed])
}
