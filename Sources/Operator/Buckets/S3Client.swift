// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import Model
internal import S3
internal import Threads

/// Why a request to an S3 server did not do what it should.
enum S3Failure: Error {
  /// The server's own answer.
  case refused(S3Error, S3Request)
  /// No answer came.
  case unanswered(S3LinkFailure, S3Request)
  /// The answer does not say what it must.
  case unreadable(S3Problem, S3Request)
  /// The answer is not what an encrypted object must have: what it is instead, a clause.
  case unproven(String, S3Request)
  /// Ctrl-C came before the request was sent.
  case interrupted(S3Request)

  /// The error's code in the server's answer.
  var code: String? { if case .refused(let error, _) = self { error.code } else { nil } }
  var status: Int? { if case .refused(let error, _) = self { error.status } else { nil } }

  /// Whether what was asked for may have happened all the same.
  var mayHaveHappened: Bool {
    switch self {
    case .refused(let error, let request):
      request.isChange && error.status >= 500 && error.keyRefusal == nil
    case .unanswered(let failure, let request): request.isChange && failure.mayHaveArrived
    case .unreadable(_, let request), .unproven(_, let request): request.isChange
    case .interrupted: false
    }
  }

  /// What was attempted, on what, what happened, what to do.
  var refusal: Refusal {
    switch self {
    case .refused(let error, let request):
      let meaning = S3Meaning(of: error, to: request)
      let text = error.text.hasSuffix(".") ? String(error.text.dropLast()) : error.text
      let means = meaning.meaning.map { ": \($0)" } ?? ""
      return Refusal(meaning.code, "\(request.text): \(text)\(means); \(meaning.remedy)")
    case .unanswered(let failure, let request):
      return Refusal(
        .unreachable,
        "\(request.text): \(failure.text); \(failure.remedy ?? "see that the server runs and is reached from here, then run this again")"
      )
    case .unreadable(let problem, let request):
      return Refusal(
        .failed,
        "\(request.text): the server answers \(problem.reason); check that the endpoint is an S3 server's, not its console's"
      )
    case .unproven(let what, let request):
      return Refusal(
        .failed,
        "\(request.text): the server answers \(what); do not rely on it: look at a bucket of another server, or ask the server's vendor"
      )
    case .interrupted(let request):
      return Refusal(.failed, "\(request.text): interrupted before it was sent; run this again")
    }
  }
}

/// Requests to one server, signed, each until it is answered. It belongs to one thread.
final class S3Client {
  let name: String
  private let endpoint: S3Endpoint
  private let credentials: S3Credentials
  private let link: any S3Link
  private let isInterrupted: () -> Bool
  private let pause: (_ milliseconds: Int) -> Void
  private(set) var region: String

  /// - Parameters:
  ///   - isInterrupted: whether no further request must be sent.
  ///   - pause: waits before a request is sent to a busy server once more.
  init(
    _ access: S3Access, isInterrupted: @escaping () -> Bool = { false },
    pause: @escaping (_ milliseconds: Int) -> Void = { Clock.sleep(until: .inMilliseconds($0)) }
  ) {
    name = access.name
    endpoint = access.endpoint
    credentials = access.credentials
    link = access.link
    region = access.region ?? S3Request.firstRegion
    self.isInterrupted = isInterrupted
    self.pause = pause
  }

  /// The answer of a request, 2xx. Blocks until it is there. A busy server (503, 429) is asked up to
  /// ``Limits/s3Attempts`` times with growing pauses, one that names another region once more.
  ///
  /// - Parameter evenIfInterrupted: for what removes traces.
  func ask(
    _ request: S3Request, evenIfInterrupted: Bool = false
  ) throws(S3Failure) -> HTTPResponse {
    var attempt = 1
    var hasMoved = false
    while true {
      if !evenIfInterrupted, isInterrupted() { throw .interrupted(request) }
      let now = Clock.realtimeMicroseconds()
      let (signed, target) = request.signed(
        for: endpoint, as: credentials, region: region, microseconds: now)
      let response: HTTPResponse
      do throws(S3LinkFailure) {
        response = try link.exchange(
          signed, with: target, until: .inMilliseconds(Limits.s3Milliseconds))
      } catch { throw .unanswered(error, request) }
      if (200..<300).contains(response.status) { return response }
      let error = S3Error(response, now: now)
      if !hasMoved, let wanted = error.region, wanted != region,
        [301, 400, 403].contains(error.status)
      {
        region = wanted
        hasMoved = true
        continue
      }
      guard [429, 503].contains(error.status), attempt < Limits.s3Attempts else {
        throw .refused(error, request)
      }
      // A quarter of a second, doubled each time, less up to a half by chance: clients that were
      // refused together do not come back together.
      let longest = 250 << (attempt - 1)
      pause(Int.random(in: longest / 2...longest))
      attempt += 1
    }
  }

  /// The same, nil where the server says that there is none of it, with one of these codes.
  func askIfPresent(
    _ request: S3Request, absent codes: [String]
  ) throws(S3Failure) -> HTTPResponse? {
    do throws(S3Failure) { return try ask(request) } catch {
      if let code = error.code, codes.contains(code) { return nil }
      if error.code == nil, error.status == 404, request.method == "HEAD" { return nil }
      throw error
    }
  }

  /// Reads the body of an answer.
  static func read<Value>(
    _ request: S3Request, _ response: HTTPResponse, _ reader: ([UInt8]) throws(S3Problem) -> Value
  ) throws(S3Failure) -> Value {
    do throws(S3Problem) { return try reader(response.body) } catch {
      throw .unreadable(error, request)
    }
  }
}
