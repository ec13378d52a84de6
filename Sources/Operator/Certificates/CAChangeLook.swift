// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model

/// The two CAs of a change.
struct CAChange: Sendable {
  var former: AuthorityCertificate
  var next: AuthorityCertificate

  var both: [AuthorityCertificate] { [former, next] }
}

/// What all agents and witnesses say of the CAs, and what follows from it. Pure.
struct CAChangeLook: Sendable {
  struct Row: Sendable {
    var holder: CertificateHolder
    var answer: Result<AuthoritiesAnswer, Refusal>
  }
  var rows: [Row]
  var change: CAChange
  /// What is revoked, as far as the new CA's list knows.
  var revoked: Revocations?

  var answers: [(name: String, answer: AuthoritiesAnswer)] {
    rows.compactMap { row in (try? row.answer.get()).map { (row.holder.name, $0) } }
  }
  var silent: [(name: String, refusal: Refusal)] {
    rows.compactMap { row in
      if case .failure(let refusal) = row.answer { (row.holder.name, refusal) } else { nil }
    }
  }

  /// Those that trust the new CA not yet.
  var withoutNext: [String] {
    answers.filter { !$0.answer.trusted.contains(change.next.key) }.map(\.name)
  }
  /// Those that do not trust exactly these.
  func trustingOthers(than target: [AuthorityCertificate]) -> [CertificateHolder] {
    let keys = Set(target.map(\.key))
    return rows.compactMap { row in
      guard let answer = try? row.answer.get(), Set(answer.trusted) != keys else { return nil }
      return row.holder
    }
  }
  /// Those that trust another CA than these.
  func trustingMore(than target: [AuthorityCertificate]) -> [String] {
    let keys = Set(target.map(\.key))
    return answers.filter { !Set($0.answer.trusted).isSubset(of: keys) }.map(\.name)
  }
  /// Those whose certificate in use is not of the new CA.
  var showingFormer: [CertificateHolder] {
    rows.compactMap { row in
      guard let answer = try? row.answer.get(), answer.own != change.next.key else { return nil }
      return row.holder
    }
  }
  /// Those whose list of revoked certificates is not signed by the new CA.
  var withFormerList: [String] {
    answers.filter { row in row.answer.revocations.map { $0 != change.next.key } ?? false }
      .map(\.name)
  }

  /// Why a list of these CAs must not be given to anybody; nil if it may: no CA is taken from a host's trust while a
  /// certificate of it is shown, or could be.
  func obstacle(to target: [AuthorityCertificate]) -> Refusal? {
    let keys = Set(target.map(\.key))
    let showing = answers.filter { row in row.answer.own.map { !keys.contains($0) } ?? true }
    if !showing.isEmpty {
      return Refusal(
        .validation,
        "\(NodeNames.folded(showing.map(\.name))): the certificate in use is of neither CA: another change of the CA is not finished there; see that --pki and --new are right; no host was changed"
      )
    }
    let losing = answers.filter { !Set($0.answer.trusted).isSubset(of: keys) }
    if losing.isEmpty || silent.isEmpty { return nil }
    return Refusal(
      .unreachable,
      "\(NodeNames.folded(losing.map(\.name))) would lose the trust in a CA whose certificate \(NodeNames.folded(silent.map(\.name))), which does not answer, may show: run it again once all answer; no host was changed"
    )
  }

  /// The number of a list of these CAs: that of the one that is in force already, else the next.
  ///
  /// - Parameter without: hosts whose word does not count.
  func number(of target: [AuthorityCertificate], without: [String]) -> Int {
    let answers = answers.filter { !without.contains($0.name) }
    let highest = answers.map(\.answer.number).max() ?? 0
    let keys = Set(target.map(\.key))
    let isInForce = answers.allSatisfy {
      $0.answer.number < highest || Set($0.answer.trusted) == keys
    }
    return highest > 0 && isInForce ? highest : highest + 1
  }

  /// Why no list may be numbered by what hosts say; nil if it may. Each list has a number beyond what all say, so one
  /// host that lies could use up all numbers that there are. It cannot where no step goes far beyond half of the hosts.
  func wrongNumbers(without: [String]) -> Refusal? {
    let answers = answers.filter { !without.contains($0.name) }
    let numbers = answers.map(\.answer.number).sorted()
    guard let middle = numbers.dropFirst((numbers.count - 1) / 2).first else { return nil }
    let wrong = answers.filter { $0.answer.number > middle + Limits.authoritiesJump }
    if wrong.isEmpty { return nil }
    let words = wrong.map { "\($0.name) says \($0.answer.number)" }.joined(separator: ", ")
    return Refusal(
      .validation,
      "the number of the list of trusted CAs: \(words), and others \(middle), which is nearer to what changes of the CA come to: see who uses that host; give it another file to join with (keyturn pki issue --replace), or up with --without; no host was changed"
    )
  }

  // MARK: people

  struct Person: Sendable, Hashable {
    var role: Role
    var name: String
    /// When a certificate of another CA than the new was shown last, seconds since 1970-01-01 UTC.
    var at: Int64
    /// The host that says so.
    var host: String
    /// Whether nothing else was shown since.
    var isLast: Bool

    var text: String {
      "\(role.rawValue) \(name) (\(CalendarTime.text(seconds: at)), on \(host))"
    }
  }

  /// A program with a certificate of the old CA may run beside one with a new certificate of the same name.
  private static let recentSeconds: Int64 = 120

  /// By how much clocks may differ, and within what all hosts that answer have a list.
  private static let revokingSeconds: Int64 = 10

  /// Whether nobody takes any more what a person was seen with: it was shown before the person was revoked. What was
  /// shown later was issued later, and counts.
  func isRevoked(_ person: Person) -> Bool {
    revoked?.entries.contains { entry in
      entry.role == person.role && entry.name == person.name
        && person.at <= entry.issuedUntil + Self.revokingSeconds
    } ?? false
  }

  /// Whose certificates of another CA than the new are in use, as far as the hosts have seen it.
  ///
  /// - Parameters:
  ///   - now: seconds since 1970-01-01 UTC.
  ///   - without: hosts whose word does not count: one that lies could name people without end.
  func people(_ now: Int64, without: [String]) -> [Person] {
    people(now, ofOthersThan: [change.next], without: without)
  }

  /// The same of other CAs than these.
  func people(
    _ now: Int64, ofOthersThan target: [AuthorityCertificate], without: [String]
  ) -> [Person] {
    let keys = Set(target.map(\.key))
    struct Name: Hashable {
      var role: Role
      var name: String
    }
    var last: [Name: (former: (at: Int64, host: String)?, next: Int64?)] = [:]
    for row in answers where !without.contains(row.name) {
      for person in row.answer.people where person.validUntil > now {
        let name = Name(role: person.role, name: person.name)
        var times = last[name] ?? (nil, nil)
        if keys.contains(person.authority) {
          times.next = max(times.next ?? person.at, person.at)
        } else if times.former.map({ $0.at < person.at }) ?? true {
          times.former = (person.at, row.name)
        }
        last[name] = times
      }
    }
    return last.compactMap { name, times in
      guard let former = times.former else { return nil }
      let isLast = times.next.map { former.at > $0 } ?? true
      guard isLast || now - former.at < Self.recentSeconds else { return nil }
      return Person(
        role: name.role, name: name.name, at: former.at, host: former.host, isLast: isLast)
    }.sorted { ($0.role.rawValue, $0.name) < ($1.role.rawValue, $1.name) }
  }
}
