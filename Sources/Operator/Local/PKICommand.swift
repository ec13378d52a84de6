// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Secrets
internal import Threads

/// `keyturn pki`: the cluster's authority and its certificates.
struct PKICommand: Sendable {
  let context: CommandContext

  private static let defaultDirectory = "./pki"
  private static let daysRange = 1...36_500
  /// What is asked for on the terminal.
  private static let question = "passphrase of the authority's key: "

  /// `keyturn pki init`.
  func initialise() throws(Refusal) -> CommandResult {
    let invocation = context.invocation
    guard let cluster = invocation.value("cluster") else { preconditionFailure("it is required") }
    let directory = invocation.value("out") ?? Self.defaultDirectory
    if let problem = Name.problem(in: cluster) { return usage("--cluster \(cluster): \(problem)") }
    guard let days = days() else { return usageOfDays() }
    let passphrase = try newPassphrase()
    try context.workshop.makeAuthority(
      cluster: cluster, directory: directory, days: days.value, passphrase: passphrase)
    context.console.event("authority", ["cluster": .string(cluster), "out": .string(directory)])
    context.console.line("the authority of \(cluster) is in \(directory)/ca.pem and ca-key.pem")
    context.console.message(
      .note,
      "keep \(directory)/ca-key.pem off the nodes: whoever has it\(passphrase == nil ? "" : " and its passphrase") can be anyone"
    )
    return CommandResult(.done)
  }

  /// `keyturn pki issue`.
  func issue() throws(Refusal) -> CommandResult {
    let invocation = context.invocation
    guard let roleName = invocation.value("role"), let name = invocation.value("name") else {
      preconditionFailure("they are required")
    }
    guard let role = Role(rawValue: roleName) else {
      let roles = Role.allCases.map(\.rawValue).joined(separator: ", ")
      return usage("--role \(roleName) is none of \(roles)")
    }
    if let problem = Name.problem(in: name) { return usage("--name \(name): \(problem)") }
    let addresses = invocation.values("address")
    if addresses.isEmpty, role == .node || role == .witness {
      return usage("a \(roleName) needs --address, the names and addresses that it is reached at")
    }
    guard let days = days() else { return usageOfDays() }
    let authority = invocation.value("pki") ?? Self.defaultDirectory
    let directory = invocation.value("out") ?? "\(authority)/\(name)"
    let needsPassphrase = try context.workshop.needsPassphrase(authority: authority)
    if !needsPassphrase, invocation.has("passphrase-file") {
      context.console.message(.note, "\(authority)/ca-key.pem has no passphrase: none is read")
    }
    let principal = try context.workshop.issue(
      role: role, name: name, addresses: addresses, days: days.value, authority: authority,
      passphrase: needsPassphrase ? try passphrase("\(authority)/ca-key.pem") : nil,
      directory: directory)
    context.console.event(
      "certificate", ["principal": .string(principal.uri), "out": .string(directory)])
    context.console.line("\(principal.uri) is in \(directory)/ (ca.pem, cert.pem, key.pem)")
    return CommandResult(.done)
  }

  // MARK: the passphrase

  /// What a new authority's key is to be encrypted with: from a file, or asked for twice; nil without both.
  private func newPassphrase() throws(Refusal) -> Secret? {
    if context.invocation.has("passphrase-file") { return try passphrase("the authority's key") }
    guard context.invocation.has("passphrase") else { return nil }
    let first = try passphrase("the authority's key")
    if context.host.askSecret("the same again: ") == first { return first }
    throw Refusal(.failed, "nothing was written: the two passphrases are not the same")
  }

  /// The passphrase, from where it was said to be or from the terminal; never from an argument, which every process
  /// of the host can read.
  private func passphrase(_ what: String) throws(Refusal) -> Secret {
    guard let path = context.invocation.value("passphrase-file") else {
      guard let typed = context.host.askSecret(Self.question) else {
        throw Refusal(
          .failed,
          "\(what) needs a passphrase and there is no terminal to ask on: give --passphrase-file FILE"
        )
      }
      return try verified(typed)
    }
    let content = try context.read(path)
    if (content.mode ?? 0) & 0o077 != 0 {
      throw Refusal(
        .failed, "\(path) can be read by others than its owner: chmod 600 it, as it is a passphrase"
      )
    }
    var bytes = content.bytes[...]
    if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
    if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
    if bytes.contains(where: { $0 == UInt8(ascii: "\n") || $0 == 0 }) {
      throw Refusal(.failed, "\(path) is not one line: write the passphrase alone into it")
    }
    return try verified(bytes.withUnsafeBytes(Secret.init))
  }

  private func verified(_ passphrase: Secret) throws(Refusal) -> Secret {
    if Limits.passphraseBytes.contains(passphrase.count) { return passphrase }
    throw Refusal(
      .failed,
      "the passphrase has \(passphrase.count) bytes, \(Limits.passphraseBytes.lowerBound) to \(Limits.passphraseBytes.upperBound) are allowed"
    )
  }

  /// `keyturn pki show`.
  func show() throws(Refusal) -> CommandResult {
    let path = context.invocation.operands[0]
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
        "principal": JSONValue(facts.principal?.uri), "subject": .string(facts.subject),
        "validUntil": .string(until),
      ])
    context.console.line("subject      \(facts.subject)")
    context.console.line("entitles to  \(facts.principal?.uri ?? "nothing in Keyturn")")
    context.console.line(
      "valid until  \(ClusterHistory.time(facts.validUntilMicroseconds)), \(left)")
    return CommandResult(.done)
  }

  /// `824 days left`, `less than a day left`, `expired 3 days ago`.
  static func left(until end: Int64, at now: Int64) -> String {
    let days = (end &- now) / 86_400_000_000
    let count = "\(days.magnitude) day\(days.magnitude == 1 ? "" : "s")"
    if end <= now { return days == 0 ? "expired today" : "expired \(count) ago" }
    return days == 0 ? "less than a day left" : "\(count) left"
  }

  /// The value of `--days` (nil for the default); nil if it is none.
  private func days() -> (value: Int?, Void)? {
    guard let text = context.invocation.value("days") else { return (nil, ()) }
    guard let days = Int(text), Self.daysRange.contains(days) else { return nil }
    return (days, ())
  }

  private func usageOfDays() -> CommandResult { usage("--days is not in \(Self.daysRange)") }

  private func usage(_ message: String) -> CommandResult {
    context.console.message(.error, message)
    return CommandResult(.usage)
  }
}
