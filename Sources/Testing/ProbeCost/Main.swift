// SPDX-License-Identifier: Apache-2.0
import Crypto
import Glibc
import KeyManager
import Model
import Probes
import Secrets
import Threads

/// What a look at the Key Managers costs with no, one and four key proofs, side by side.
///
/// `probe-cost AUTHORITIES ROUNDS` takes a server's MINIO_KMS_* from its environment, and the folder
/// of the authorities that it trusts. It prints a line for each number of proofs: milliseconds by the
/// clock, those of its own processor time, bytes sent and bytes received, the medians of all rounds.
@main enum Main {
  static func main() {
    Signals.prepare()
    let words = CommandLine.arguments
    guard words.count == 3, let rounds = Int(words[2]), rounds > 0 else {
      fail(64, "usage: probe-cost AUTHORITIES ROUNDS")
    }
    do {
      try measure(ServerSurroundings(certificateAuthorities: words[1]), rounds)
    } catch { fail(1, "probe-cost: \(error)") }
  }

  private static func measure(_ surroundings: ServerSurroundings, _ rounds: Int) throws {
    var environment = KeyManagerSettings.variables.compactMap { name in
      getenv(name).map { EnvironmentVariable(name: name, value: String(cString: $0)) }
    }
    guard let direct = try KeyManagerSettings.parse(environment) else {
      fail(64, "probe-cost: there is no MINIO_KMS_* in the environment")
    }
    let proofs = try (0..<Limits.keyProofs).map { _ in
      try KeyProofMaker.make(
        direct, surroundings: surroundings, known: [],
        for: KeyProof.Binding(cluster: "benchmark", seal: .sha256([])), by: "benchmark",
        deadline: deadline)
    }
    // The bytes are counted on a way of their own, which would take time.
    let relays = try direct.endpoints.map { try Relay(to: $0.target) }
    let server = relays.map { "https://127.0.0.1:\($0.port)" }.joined(separator: ",")
    environment.removeAll { $0.name == "MINIO_KMS_SERVER" }
    environment.append(EnvironmentVariable(name: "MINIO_KMS_SERVER", value: server))
    guard let relayed = try KeyManagerSettings.parse(environment) else { return }

    func look(_ settings: KeyManagerSettings, _ count: Int) {
      let reports = KeyManagerProbe.run(
        settings: settings, surroundings: surroundings, proofs: Array(proofs.prefix(count)),
        deadline: deadline)
      let wanted: ProbeVerdict = count == 0 ? .notChecked : .fine
      for report in reports where report[.proof]?.verdict != wanted {
        fail(1, "probe-cost: \(report.endpoint): \(report.worst.map { "\($0)" } ?? "no answer")")
      }
    }
    let counts = [0, 1, Limits.keyProofs]
    var samples: [Int: [Sample]] = [:]
    for _ in 0..<rounds {
      // In turn, so that whatever else the machine does affects all of them.
      for count in counts {
        let (start, busy) = (Clock.now(), processorMilliseconds())
        look(direct, count)
        var sample = Sample(
          wall: Double(Clock.now().nanoseconds - start.nanoseconds) / 1e6,
          processor: processorMilliseconds() - busy)
        look(relayed, count)
        for relay in relays {
          let bytes = relay.take()
          sample.sent += Double(bytes.sent)
          sample.received += Double(bytes.received)
        }
        samples[count, default: []].append(sample)
      }
    }
    for count in counts {
      let all = samples[count] ?? []
      let medians = [\Sample.wall, \.processor, \.sent, \.received].map { part in
        let sorted = all.map { $0[keyPath: part] }.sorted()
        return "\((sorted[sorted.count / 2] * 100).rounded() / 100)"
      }
      print("\(count) \(medians.joined(separator: " "))")
    }
  }

  private struct Sample {
    var wall: Double
    var processor: Double
    var sent = 0.0
    var received = 0.0
  }

  private static var deadline: Instant { .inMilliseconds(30_000) }

  private static func processorMilliseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
  }

  private static func fail(_ code: Int32, _ text: String) -> Never {
    let line = Array("\(text)\n".utf8)
    _ = write(2, line, line.count)
    exit(code)
  }
}
