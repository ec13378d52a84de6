// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import Model
internal import S3
internal import Threads

/// Requests to one server, signed, each until it is answered. It belongs to one thread.
final class S3Client {
  let name: String
  private let endpoint: S3Endpoint
  private let credentials: S3Credentials
  private let link: any S3Link
  private let isInterrupted: () -> Bool
  let pause: (_ milliseconds: Int) -> Void
  private(set) var region: String
  /// What sendings of the last request that was answered well, before that answer, may have done.
  private(set) var doubt = S3Fate.nothing

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
  /// ``Limits/s3Attempts`` times with growing pauses, one that names another region once more, and one
  /// that had ended the connection before once more.
  ///
  /// - Parameter evenIfInterrupted: for what removes traces.
  func ask(
    _ request: S3Request, evenIfInterrupted: Bool = false
  ) throws(S3Failure) -> HTTPResponse {
    var attempt = 1
    var (hasMoved, isSentAgain) = (false, false)
    var earlier = S3Fate.nothing
    func failure(_ reason: S3Failure.Reason) -> S3Failure {
      S3Failure(reason, request, earlier: earlier, isVirtual: isVirtual(request))
    }
    while true {
      if !evenIfInterrupted, isInterrupted() { throw failure(.interrupted) }
      let now = Clock.realtimeMicroseconds()
      let (signed, target) = request.signed(
        for: endpoint, as: credentials, region: region, microseconds: now)
      let response: HTTPResponse
      do throws(S3LinkFailure) {
        response = try link.exchange(
          signed, with: target, until: .inMilliseconds(Limits.s3Milliseconds))
      } catch {
        let met = failure(.unanswered(error))
        guard error.kind == .staleConnection, !isSentAgain else { throw met }
        isSentAgain = true
        earlier = met.fate
        continue
      }
      if (200..<300).contains(response.status) {
        doubt = earlier
        return response
      }
      var error = S3Error(response, now: now)
      error.proxy = link.proxy(to: target)
      if !hasMoved, let wanted = error.region, wanted != region,
        [301, 400, 403].contains(error.status)
      {
        region = wanted
        hasMoved = true
        continue
      }
      let met = failure(.refused(error))
      guard [429, 503].contains(error.status), attempt < Limits.s3Attempts else {
        throw explained(met)
      }
      earlier = met.fate
      // A quarter of a second, doubled each time, less up to a half by chance: clients that were
      // refused together do not come back together.
      let longest = 250 << (attempt - 1)
      pause(Int.random(in: longest / 2...longest))
      attempt += 1
    }
  }

  /// The failure of a HEAD that says nothing but its status, with what the server says of it to a
  /// request whose answer may have a document.
  private func explained(_ failure: S3Failure) -> S3Failure {
    guard let error = failure.answer, error.code == nil, [400, 401, 403].contains(error.status),
      !error.hasSkewedClock, let spoken = failure.request.spoken
    else { return failure }
    do throws(S3Failure) { _ = try ask(spoken) } catch {
      if error.answer != nil { return error }
    }
    return failure
  }

  private func isVirtual(_ request: S3Request) -> Bool {
    switch request.subject {
    case .bucket, .object: endpoint.style == .virtualHost
    case .server, .key: false
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
      throw S3Failure(.unreadable(error), request)
    }
  }
}
