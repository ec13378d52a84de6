// SPDX-License-Identifier: Apache-2.0
import Coordination
import Model
@testable import Operator
import Rollout
import Testing

/// The last words of a rollout, as they stand on a terminal of 80 columns.
@Suite struct EndingTests {
  private static let line =
    "FATAL Failed to connect to KMS: failed to generate data key with KMS key: \"kms-1:7373\": "
    + "dial tcp 10.0.0.5:7373: i/o timeout"
  private static let failed = Outcome(
    .failed,
    StartFailure(
      kind: .fatalLine, phase: .starting, reason: line,
      cause: "a firewall or a route between this node and the Key Manager",
      remedy: "open TCP from this node to the endpoint's port, then try `keyturn check`"))

  private static func rollout(
    _ kind: RolloutKind? = .apply, _ third: Outcome = Outcome(.confirmed, "healthy for 10 s"),
    id: String = "0d07a7a0593ac303", generation: Int? = 7, mayGoBack: Bool = false
  ) -> Ending.Committed {
    Ending.Committed(
      id: id, kind: kind, generation: generation,
      outcomes: (1...4).map {
        MemberOutcome(
          member: "minio-\($0)", outcome: $0 == 3 ? third : Outcome(.confirmed, "healthy for 10 s"))
      }, mayGoBack: mayGoBack)
  }

  private static func text(_ ending: Ending) -> String {
    ([ending.headline] + ending.lines(columns: 80)).joined(separator: "\n")
  }

  private static let back = rollout(.rollback, id: "77aa7a0593ac3000", generation: 8)

  @Test("0: what is in force")
  func done() {
    #expect(
      Self.text(.committed(Self.rollout(), held: nil)) == """
        4 of 4 starts confirmed
          in force  the new file, generation 7, on minio-[1-4]
          servers   all 4 restarted
          next      keyturn show 0d07a7a0593ac303  its steps and times
        """)
    #expect(Ending.committed(Self.rollout(), held: nil).isGood)
    #expect(
      Self.text(.committed(Self.rollout(.restart), held: nil)).contains(
        "\n  in force  the files as they were, on minio-[1-4]; every server was told to\n              restart\n"
      ))
  }

  @Test("0: once encryption is enabled, buckets are the last step")
  func enabled() {
    var rollout = Self.rollout()
    rollout.enables = true
    #expect(
      Self.text(.committed(rollout, held: nil)) == """
        4 of 4 starts confirmed
          in force  the new file, generation 7, on minio-[1-4]
          servers   all 4 restarted
          next      keyturn show 0d07a7a0593ac303  its steps and times
                    keyturn bucket encrypt BUCKET --key NAME --alias ALIAS  the last
                      step, proven with an object
        """)
  }

  @Test("3: how a start ended is not known, or not even the decision")
  func unknown() {
    #expect(
      Self.text(
        .committed(Self.rollout(.apply, Outcome(.unknown, "no outcome by the deadline")), held: nil)
      ) == """
        decided, and its end is not known here: 3 of 4 starts confirmed, 1 unknown
          in force  the new file, generation 7, on minio-[1-2,4]
                    confirmed with it: minio-[1-2,4]
                    not known of minio-3: it has the new file, or gets it from its agent
          servers   restarted on minio-[1-2,4]; restarted, or about to be, on minio-3
          why       minio-3: unknown: no outcome by the deadline
          next      keyturn watch 0d07a7a0593ac303  its end; a rollback may follow
                    keyturn status                  what each node runs now
        """)
    #expect(
      Self.text(
        .undecided(
          "the decision is not known: no majority of the members answered",
          members: Self.rollout().members, rollout: "0d07a7a0593ac303", restarts: true)) == """
          the decision is not known: no majority of the members answered
            in force  not known: on minio-[1-4] the previous files or the new ones, the
                        same on all once the nodes have decided; servers may restart until
                        then
            next      keyturn watch 0d07a7a0593ac303  its end
                      keyturn resolve 0d07a7a0593ac303  have the nodes decide now; if it
                        is committed, all servers restart
          """)
    let quiet = Ending.undecided(
      "the decision is not known", members: Self.rollout().members, rollout: "0d07a7a0593ac303",
      restarts: false)
    #expect(!Self.text(quiet).contains("restart"))
  }

  @Test("9 of a rollout that restarts nothing: a server that does not run is not said to run on")
  func withoutRestart() {
    var rollout = Self.rollout(.apply, Outcome(.timedOut, "the server is not running"))
    rollout.restarts = false
    let text = Self.text(.committed(rollout, held: "no server was restarted"))
    #expect(text.contains("the new file, generation 7, on minio-[1-4]\n"))
    #expect(!text.contains("run on"))
    #expect(text.contains("keyturn confirm minio-3"))
  }

  @Test(
    "4 to 8, 75 and 1: nothing was touched, and what to run",
    arguments: [
      (.unreachable, ["keyturn status"]), (.validation, ["keyturn plan"]),
      (.file, ["keyturn plan"]),
      (.unit, ["keyturn status"]),
      (
        .guarded,
        ["keyturn seal show", "keyturn explain MINIO_KMS_SSE_KEY", "keyturn proof --now"]
      ),
      (.keyManager, ["keyturn check"]), (.vote, ["keyturn plan"]), (.clock, ["keyturn status"]),
      (.busy, ["keyturn watch"]), (.failed, ["keyturn show 0d07a7a0593ac303"]),
    ] as [(RefusalCode, [String])])
  func untouched(code: RefusalCode, commands: [String]) {
    let ending = Ending.untouched(
      "nothing was touched: minio-3: no", code, members: Self.rollout().members,
      reasons: [("minio-1", ""), ("minio-3", "no"), ("minio-4", "a reason of its own")],
      rollout: "0d07a7a0593ac303")
    #expect(ending.next.map(\.command) == commands)
    #expect(
      Self.text(ending).hasPrefix(
        """
        nothing was touched: minio-3: no
          in force  the previous files, on minio-[1-4]: no file was replaced, no server
                      restarted
          why       also minio-4: a reason of its own
          next      \(commands[0])
        """), "\(Self.text(ending))")
  }

  @Test("9: what runs where, the server's own line, why nothing went back, and what to run")
  func notConfirmed() {
    #expect(
      Self.text(
        .committed(
          Self.rollout(.apply, Self.failed, mayGoBack: true),
          held: "the rollback policy of this rollout is \"never\"")) == """
          3 of 4 starts confirmed, 1 not confirmed; the new files stay
            in force  the new file, generation 7, on minio-[1-4]
                      confirmed with it: minio-[1-2,4]
                      not confirmed: minio-3
            servers   all 4 restarted
            why       minio-3: failed: FATAL Failed to connect to KMS: failed to generate
                        data key with KMS key: "kms-1:7373": dial tcp 10.0.0.5:7373: i/o
                        timeout
                      cause: a firewall or a route between this node and the Key Manager
                      do: open TCP from this node to the endpoint's port, then try
                        `keyturn check`
                      not rolled back: the rollback policy of this rollout is "never"
            next      keyturn logs --rollout 0d07a7a0593ac303 --errors  what the servers
                        logged, and what to do
                      keyturn confirm minio-3  once its server runs well (systemctl start
                        there, if it is down): confirms it, and restarts nothing
                      keyturn restart  restarts all 4 servers with the same files, once
                        the cause is fixed
                      keyturn rollback  or back to the previous files
          """)
    let sealed = Ending.committed(
      Self.rollout(.apply, Self.failed), held: "the key is sealed")
    #expect(!sealed.next.contains { $0.command == "keyturn rollback" })
    let restart = Ending.committed(Self.rollout(.restart, Self.failed), held: "a restart")
    #expect(!restart.why.contains { $0.contains("not rolled back") })
  }

  @Test("a node on which nothing was done is not among those with the new file")
  func untouchedNode() {
    for outcome in [Outcome(.failed, "the file was changed after the vote"), Outcome(.aborted, "")]
    {
      let ending = Ending.committed(Self.rollout(.apply, outcome), held: "its server runs")
      #expect(ending.inForce.first == "the new file, generation 7, on minio-[1-2,4]")
      #expect(
        ending.inForce.contains("NOT on minio-3: nothing was put in place or restarted there"))
    }
  }

  @Test("watching that ends before a commit is known claims no new file")
  func notFollowed() {
    #expect(
      Self.text(.notFollowed("0d07a7a0593ac303", members: Self.rollout().members)) == """
        rollout 0d07a7a0593ac303 goes on; only the watching has ended
          in force  not known here: on minio-[1-4] the previous files until it commits,
                      its own after that
          next      keyturn watch 0d07a7a0593ac303  its end
        """)
  }

  @Test("10: the change is not in force, and what took it back")
  func rolledBack() {
    let text = Self.text(.rolledBack(Self.rollout(.apply, Self.failed), by: Self.back))
    #expect(
      text.hasPrefix(
        """
        rolled back: your change is NOT in force
          in force  the files from before rollout 0d07a7a0593ac303, on minio-[1-4]
                    every server was started with them and confirmed (rollback
                      77aa7a0593ac3000; kept as generation 8)
          servers   all 4 restarted twice: with the new file, then with the previous one
          why       minio-3: failed: FATAL Failed to connect to KMS: failed to generate
        """), "\(text)")
    #expect(
      text.hasSuffix(
        """
          next      keyturn logs --rollout 0d07a7a0593ac303 --errors  what the servers
                      logged, and what to do
                    keyturn apply --settings FILE  again, once the cause is fixed
        """), "\(text)")
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }

  @Test("11: the change is not in force, and which servers are down with the previous files")
  func unhealthy() {
    let back = Self.rollout(.rollback, Self.failed, id: "77aa7a0593ac3000", generation: 8)
    let ending = Ending.rolledBack(Self.rollout(.apply, Self.failed), by: back)
    #expect(
      ending.headline
        == "rolled back: your change is NOT in force, and 1 of 4 servers is not confirmed with the previous files either"
    )
    #expect(ending.inForce.contains("not confirmed: minio-3"))
    #expect(ending.why.contains { $0.hasPrefix("after the rollback, minio-3: failed: FATAL") })
    #expect(
      ending.next.map(\.command) == [
        "keyturn logs --rollout 0d07a7a0593ac303 --errors",
        "keyturn logs --rollout 77aa7a0593ac3000 --errors", "keyturn confirm minio-3",
        "keyturn restart",
      ])
  }

  @Test("11: the whole block at 80 columns, and as JSON")
  func unhealthyText() {
    let back = Self.rollout(
      .rollback, Outcome(.timedOut, "not READY in time"), id: "77aa7a0593ac3000", generation: 8)
    let ending = Ending.rolledBack(
      Self.rollout(.apply, Outcome(.failed, "FATAL x")), by: back)
    #expect(
      Self.text(ending) == """
        rolled back: your change is NOT in force, and 1 of 4 servers is not confirmed with the previous files either
          in force  the files from before rollout 0d07a7a0593ac303, on minio-[1-4]
                    confirmed with them: minio-[1-2,4]
                    not confirmed: minio-3
          servers   all 4 restarted twice: with the new file, then with the previous one
          why       minio-3: failed: FATAL x
                    after the rollback, minio-3: timed out: not READY in time
          next      keyturn logs --rollout 0d07a7a0593ac303 --errors  what the servers
                      logged, and what to do
                    keyturn logs --rollout 77aa7a0593ac3000 --errors  why a server does
                      not start with the previous files
                    keyturn confirm minio-3  once its server runs well (systemctl start
                      there, if it is down): confirms it, and restarts nothing
                    keyturn restart  restarts all 4 servers with the previous files,
                      once the cause is fixed
        """)
    let result = CommandResult(.rolledBackUnhealthy, ending, nodes: [], isChanged: true).fields.text
    #expect(
      result.contains(#""exitCode":11"#) && result.contains(#""outcome":"rolledBackUnhealthy""#))
  }

  @Test(
    "64, 77 and 78: what is wrong with the command itself, at 80 columns and as JSON",
    arguments: [
      ("restart --yes --every", ExitCode.usage, "restart has no option --every"),
      ("status --inventory nowhere.json", .badConfiguration, "nowhere.json"),
    ])
  func own(_ arguments: String, code: ExitCode, says: String) {
    let size = TerminalSize(columns: 80, rows: 24)
    let agents = Sample.names.map { FakeAgent($0) }
    let run = Sample.run(arguments, agents, terminal: size)
    #expect(run.code == code, "\(run.host.errors)")
    #expect(run.host.errors.contains(says), "\(run.host.errors)")
    #expect(
      run.host.errors.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(run.host.errors)")
    #expect(agents.allSatisfy { $0.calls == 0 })
    let result = CommandResult(code).fields.text
    #expect(
      result.contains(#""exitCode":\#(code.rawValue)"#) && result.contains(#""changed":false"#))
  }

  @Test("77: a caller that may not do it touches nothing, at 80 columns and as JSON")
  func notPermitted() {
    let agents = Sample.names.map {
      FakeAgent($0, .votesNo(Refusal(.notPermitted, "the rollout is bob's")))
    }
    let (code, host) = Sample.run("apply --yes --settings kms.env --json", agents)
    #expect(code == .notPermitted)
    let result = host.lines.last ?? ""
    for part in [
      #""exitCode":77"#, #""outcome":"notPermitted""#, #""changed":false"#,
      "keyturn pki show /etc/keyturn/credentials/cert.pem", "no file was replaced",
    ] { #expect(result.contains(part), "\(part): \(result)") }
  }

  @Test("with --json the same stands in fields")
  func json() {
    #expect(
      Ending.committed(Self.rollout(), held: nil).fields.text
        == #"{"inForce":["the new file, generation 7, on minio-[1-4]"],"next":[{"command":"keyturn show 0d07a7a0593ac303","purpose":"its steps and times"}],"servers":"all 4 restarted","why":[]}"#
    )
    let held = Ending.committed(Self.rollout(.apply, Self.failed), held: "no").fields.text
    #expect(held.contains(#""minio-3: failed: FATAL Failed to connect to KMS: "#), "\(held)")
    #expect(held.contains(#""not rolled back: no""#), "\(held)")
    let result = CommandResult(
      .rolledBack, .rolledBack(Self.rollout(.apply, Self.failed), by: Self.back), nodes: [],
      isChanged: true
    ).fields.text
    #expect(result.contains(#""changed":true"#) && result.contains(#""exitCode":10"#))
    #expect(result.contains(#""message":"rolled back: your change is NOT in force""#), "\(result)")
    #expect(result.contains(#""outcome":"rolledBack""#))
  }

  @Test("nodes that failed alike are told once, and of many causes the first few")
  func folded() {
    let outcomes = (1...9).map { number in
      MemberOutcome(
        member: "minio-\(number)",
        outcome: Outcome(.failed, number < 4 ? "FATAL a" : "FATAL \(number)"))
    }
    let ending = Ending.committed(
      Ending.Committed(id: "0d", kind: .restart, generation: nil, outcomes: outcomes), held: nil)
    #expect(ending.why.first == "minio-[1-3]: failed: FATAL a")
    #expect(ending.why.last == "and 3 more; keyturn show ID has all of them")
    #expect(ending.why.count == 5)
  }

  @Test("a server's line drives no terminal and breaks no line")
  func clean() {
    #expect(
      Ending.clean("\u{1B}[31mFATAL\u{1B}[0m in use\r\n      > Please\tend\u{7} it\u{9B}x")
        == "FATAL in use > Please end it x")
    #expect(Ending.clean("plain – text") == "plain – text")
  }

  @Test("a command line that narrow wraps between words, never in them")
  func narrow() {
    let lines = Ending.rolledBack(Self.rollout(.apply, Self.failed), by: Self.back).lines(
      columns: 40)
    #expect(lines.allSatisfy { $0.count <= 40 || !$0.dropFirst(14).contains(" ") }, "\(lines)")
  }
}
