// SPDX-License-Identifier: Apache-2.0
internal import API
package import HTTP
package import Model
internal import Threads

/// Who was refused, and which requests of operators were answered: a line each in the agent's
/// journal, with role, name, address and route.
///
/// One line a second for each holder and kind of line; the next one says how many were left out.
package final class RequestJournal: Sendable {
  private struct Quiet: Sendable {
    var until: Instant
    var leftOut = 0
  }
  /// So many are told apart; all others share one place.
  static let remembered = 256

  private let quiet = Lock<[String: Quiet]>([:])
  private let log: @Sendable (_ priority: LogPriority, _ message: String) -> Void

  /// A journal that writes its lines by `log`.
  package init(log: @escaping @Sendable (_ priority: LogPriority, _ message: String) -> Void) {
    self.log = log
  }

  /// Notes an answer; nil for a connection that was refused before it asked for anything.
  package func note(
    _ request: HTTPRequest?, from principal: Principal?, at address: String,
    _ response: HTTPResponse
  ) {
    let who = "\(Self.name(principal)) at \(address)"
    let route = request.map { "\($0.method) \(Self.visible($0.path))" } ?? "a connection"
    switch response.status {
    case 401, 403, 409, 413, 429, 503:
      write(.warning, "refused \(Self.name(principal))") {
        "refused \(who): \(route): \(response.status)\(Self.reason(response))"
      }
    case 200..<300:
      guard let request, request.method == "POST", principal?.role == .operator,
        Route.of(request, to: .agent)?.route.isLook != true
      else { return }
      write(.information, "answered \(Self.name(principal)) \(request.path)") { "\(who): \(route)" }
    default: return
    }
  }

  private func write(_ priority: LogPriority, _ key: String, _ line: () -> String) {
    let leftOut: Int? = quiet.withLock { quiet in
      let now = Clock.now()
      let isKnown = quiet[key] != nil
      if !isKnown, quiet.count >= Self.remembered { quiet = quiet.filter { $0.value.until > now } }
      let key = isKnown || quiet.count < Self.remembered ? key : ""
      if let known = quiet[key], now < known.until {
        quiet[key]?.leftOut += 1
        return nil
      }
      defer { quiet[key] = Quiet(until: now.advanced(byMilliseconds: 1_000)) }
      return quiet[key]?.leftOut ?? 0
    }
    guard let leftOut else { return }
    log(priority, leftOut == 0 ? line() : "\(line()) (and \(leftOut) more before)")
  }

  private static func name(_ principal: Principal?) -> String {
    principal.map { "\($0.role.rawValue) \($0.name) of \($0.cluster)" } ?? "a nameless certificate"
  }

  private static func reason(_ response: HTTPResponse) -> String {
    (try? response.refusal()).map { ", \(visible($0.message))" } ?? ""
  }

  /// A caller's own text must not make a line of its own, nor move a cursor.
  private static func visible(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.prefix(256).map { (" "..."~").contains($0) ? $0 : "?" }))
  }
}
