// SPDX-License-Identifier: Apache-2.0
@testable import Agent
import KeyManager
import Secrets
import ServerUnit
import StartWatch
import Testing
import Threads

@Suite struct HealthLookTests {
  private let host = FakeNodeHost(file: "MINIO_ROOT_USER=alice\nMINIO_ROOT_PASSWORD=secret-1\n")

  private func look(
    volumes: String = "http://minio-{1...4}/data", mainPID: Int32 = 200
  ) -> HealthAnswers {
    let arguments = ServerArguments(arguments: ["server"] + ServerArguments.words(volumes))
    let unit = UnitState(
      id: "minio.service", activeState: "active", subState: "running", mainPID: mainPID,
      invocationID: "0123456789abcdef0123456789abcdef")
    return HealthLook(arguments: arguments, ports: host.ports()).answers(unit)
  }

  @Test("the cluster's health is asked for only once the server is ready and takes writes")
  func order() {
    host.state.update { $0.health.ready = .answered(status: 200, serverStatus: "offline") }
    let early = look()
    #expect(early.writes == nil && early.cluster == nil)
    #expect(host.state.withLock { $0.writeQuestions.isEmpty })
    host.state.update { state in
      state.health.ready = .answered(status: 200)
      state.writes = .refused("503 SlowDownWrite")
    }
    let late = look()
    #expect(late.writes == .refused("503 SlowDownWrite") && late.cluster == nil)
    #expect(host.state.withLock { $0.healthQuestions } == [.ready, .ready])
    for writes in [WriteAnswer.taken(asked: 1), .untold("403 InvalidAccessKeyId")] {
      host.state.update { $0.writes = writes }
      let good = look()
      #expect(good.writes == writes && good.cluster?.isGood == true)
    }
  }

  @Test("it asks as the process's root user, for a bucket of this start, and as often as sets need")
  func question() throws {
    _ = look()
    _ = look(volumes: "http://minio-{1...16}/d{1...4}")
    let questions = host.state.withLock { $0.writeQuestions }
    #expect(questions.map(\.objects) == [1, 16])
    let first = try #require(questions.first)
    #expect(first.bucket == "keyturn-write-check-0123456789abcdef0123456789abcdef")
    #expect(first.bucket.utf8.count <= 63)
    #expect(first.credentials.accessKey == Secret("alice"))
    #expect(first.credentials.secretKey == Secret("secret-1"))
  }

  @Test("where the question would tell nothing it is not asked, and the answer says why")
  func untold() {
    func isUntold(_ answers: HealthAnswers) -> Bool {
      if case .untold = answers.writes { answers.cluster != nil } else { false }
    }
    #expect(isUntold(look(volumes: "http://a-{1...4}/d http://b-{1...4}/d")))
    #expect(isUntold(look(volumes: "--config /etc/minio/config.yaml http://a-{1...4}/d")))
    #expect(isUntold(look(volumes: "")))
    host.state.update {
      $0.process.append(
        EnvironmentVariable(name: "MINIO_ETCD_ENDPOINTS", value: "http://etcd:2379"))
    }
    #expect(isUntold(look()))
    #expect(host.state.withLock { $0.writeQuestions.isEmpty })
    #expect(look(mainPID: 0).writes == .refused("there is no main process"))
  }
}
