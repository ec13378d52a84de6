// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import S3

/// What a request that was not answered well may have done.
enum S3Fate: Comparable, Sendable {
  /// Nothing: it was not sent, or was refused.
  case nothing
  /// It may have happened. The server is done with it.
  case mayHaveHappened
  /// It may have happened, and may happen later: whoever has got it has not said that it is over.
  case mayHappenYet
}

/// Why a request to an S3 server did not do what it should.
struct S3Failure: Error {
  enum Reason {
    /// The server's own answer.
    case refused(S3Error)
    /// No answer came.
    case unanswered(S3LinkFailure)
    /// The answer does not say what it must.
    case unreadable(S3Problem)
    /// The answer is not what it must be after all that: what it is instead, a clause.
    case unproven(String)
    /// It was answered well, and could not be read back: both, one sentence.
    case unconfirmed(String)
    /// Ctrl-C came before the request was sent, or before it was sent again.
    case interrupted
  }

  var reason: Reason
  var request: S3Request
  /// Whatever the last sending met: the worst of all of them.
  var fate: S3Fate
  /// Whether a sending before the last may have arrived, and got no answer that ends it.
  private var wasSentBefore: Bool
  /// Whether the bucket stands in the server's name.
  var isVirtual = false

  /// - Parameter earlier: what sendings before the last may have done.
  init(
    _ reason: Reason, _ request: S3Request, earlier: S3Fate = .nothing, isVirtual: Bool = false
  ) {
    self.reason = reason
    self.request = request
    self.isVirtual = isVirtual
    wasSentBefore = earlier == .mayHappenYet
    fate = max(earlier, request.isChange ? Self.fate(reason) : .nothing)
  }

  static func unproven(_ what: String, _ request: S3Request) -> S3Failure {
    S3Failure(.unproven(what), request)
  }

  static func unconfirmed(_ sentence: String, _ request: S3Request) -> S3Failure {
    S3Failure(.unconfirmed(sentence), request)
  }

  static func fate(_ reason: Reason) -> S3Fate {
    switch reason {
    case .refused(let error):
      // Without a code it is a gateway that has spoken, for a server that may still be at it.
      error.saysNothingHappened
        ? .nothing : error.code == nil ? .mayHappenYet : .mayHaveHappened
    case .unanswered(let failure): failure.mayHaveArrived ? .mayHappenYet : .nothing
    case .unreadable, .unproven, .unconfirmed: .mayHaveHappened
    case .interrupted: .nothing
    }
  }

  /// Whether what was asked for may have happened all the same.
  var mayHaveHappened: Bool { fate != .nothing }

  /// The error in the server's answer.
  var answer: S3Error? { if case .refused(let error) = reason { error } else { nil } }
  var code: String? { answer?.code }
  var status: Int? { answer?.status }
  /// Whether more was answered than is ever taken.
  var isTooLarge: Bool {
    switch reason {
    case .unreadable(let problem): problem.isTooLarge
    case .unanswered(let failure): failure.kind == .tooLong
    default: false
    }
  }

  private var attempt: String {
    request.text + (wasSentBefore ? ", sent before without an answer" : "")
  }

  /// Whether it is not known if the last change that was asked for has happened.
  var isOpen: Bool {
    switch reason {
    case .refused, .unanswered, .interrupted: mayHaveHappened
    // What was asked for is done; it is not what it should be, or could not be read.
    case .unreadable, .unproven, .unconfirmed: false
    }
  }

  /// What was attempted, on what, what happened, what to do.
  var refusal: Refusal {
    switch reason {
    case .refused(let error):
      let meaning = S3Meaning(of: error, to: request)
      let text = error.text.hasSuffix(".") ? String(error.text.dropLast()) : error.text
      let means = meaning.meaning.map { ": \($0)" } ?? ""
      return Refusal(
        meaning.code, "\(attempt): \(text)\(means); \(meaning.remedy)\(styleAdvice)")
    case .unanswered(let failure):
      let remedy =
        failure.remedy ?? "see that the server runs and is reached from here, then run this again"
      return Refusal(
        failure.kind == .configuration ? .configuration : .unreachable,
        "\(attempt): \(failure.text); \(remedy)\(styleAdvice)")
    case .unreadable(let problem):
      return Refusal(
        .unreachable,
        "\(request.text): the server answers \(problem.reason); check that the endpoint is an S3 server's, not its console's\(styleAdvice)"
      )
    case .unproven(let what):
      return Refusal(
        .failed,
        "\(request.text): the server answers \(what); do not rely on it: look at a bucket of another server, or ask the server's vendor"
      )
    case .unconfirmed(let sentence): return Refusal(.failed, sentence)
    case .interrupted:
      return Refusal(
        .failed,
        "\(request.text): interrupted before it was sent\(mayHaveHappened ? " again" : ""); run this again"
      )
    }
  }

  /// A server that does not know its own domain takes the bucket in its name for nothing.
  private var styleAdvice: String {
    guard isVirtual else { return "" }
    let isOfStyle =
      switch reason {
      case .refused(let error):
        [400, 404, 405, 501].contains(error.status) || error.code == nil
          || ["AccessDenied", "SignatureDoesNotMatch"].contains(error.code)
      case .unanswered(let failure): failure.kind == .unknownHost
      case .unreadable: true
      default: false
      }
    return isOfStyle
      ? "; a server that does not take buckets in its name (MINIO_DOMAIN) needs --addressing path"
      : ""
  }
}
