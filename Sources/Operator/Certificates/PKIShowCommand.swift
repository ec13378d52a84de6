// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Threads

/// `keyturn pki show`: what a certificate says.
struct PKIShowCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "FILE", as: .text) var file: String
  }

  static let rule = CommandRule(
    name: "pki show",
    summary: "a certificate's role, holder and expiry",
    examples: [("keyturn pki show /etc/keyturn/credentials/cert.pem", "cluster, role, name")],
    exitCodes: [.done, .failed])

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let path = options.file
    let bytes = try context.read(path).bytes
    let facts: CertificateFacts
    do throws(Refusal) { facts = try context.workshop.describe(bytes) } catch {
      throw Refusal(error.code, "read \(path): \(error.message)")
    }
    let until = CalendarTime.text(microseconds: facts.validUntilMicroseconds)
    let left = Self.left(until: facts.validUntilMicroseconds, at: Clock.realtimeMicroseconds())
    context.console.event(
      "certificate",
      [
        "principal": facts.principal?.uri, "subject": facts.subject, "validUntil": until,
      ])
    context.console.line("subject      \(facts.subject)")
    context.console.line("entitles to  \(facts.principal?.uri ?? "nothing in Keyturn")")
    context.console.line(
      "valid until  \(ClusterGenerations.time(facts.validUntilMicroseconds)), \(left)")
    return CommandResult(.done)
  }

  /// `824 days left`, `less than a day left`, `expired 3 days ago`.
  static func left(until end: Int64, at now: Int64) -> String {
    let days = (end &- now) / 86_400_000_000
    let count = "\(days.magnitude) day\(days.magnitude == 1 ? "" : "s")"
    if end <= now { return days == 0 ? "expired today" : "expired \(count) ago" }
    return days == 0 ? "less than a day left" : "\(count) left"
  }
}
