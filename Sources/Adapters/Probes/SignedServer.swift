// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import JSONCoding
package import Model
package import Secrets
package import ServerUnit
package import StartWatch
internal import Threads

/// Questions to this host's own server that it answers only to its root user.
package enum SignedServer {
  /// Whether the server would take a write: it is asked to begin an upload into a bucket that does
  /// not exist. It looks for a write quorum of the object's erasure set, as it sees the drives,
  /// before all of them look for the bucket (`newMultipartUpload`, `WriteMetadata` of minio:cmd,
  /// 2024-05 to 2025-10). So "no such bucket" proves a write quorum, and nothing was written; 503
  /// is the answer without one. Under load it lets requests wait, and answers 429 after some time
  /// (`maxClients`). Blocks until the deadline at the longest.
  ///
  /// - Parameters:
  ///   - bucket: a name that no bucket has, the same for a whole start: the server remembers for some
  ///     minutes that it has looked for it.
  ///   - objects: how many names are asked for, one after the other; chance puts each in an erasure
  ///     set.
  package static func takesWrites(
    _ server: ServerArguments, as credentials: AccessCredentials, bucket: String, objects: Int,
    deadline: Instant
  ) -> WriteAnswer {
    var session = Session(server: server, credentials: credentials, deadline: deadline)
    defer { session.close() }
    let count = min(max(1, objects), Limits.writeQuestions)
    do throws(ProbeFailure) {
      for _ in 0..<count {
        let path = "/\(bucket)/\(String(UInt64.random(in: .min ... .max), radix: 36))"
        let begin = HTTPRequest("POST", path, query: [("uploads", "")])
        let response = try session.ask(begin)
        if (200..<300).contains(response.status) {
          try abandon(response, path, &session)
        } else if let answer = judged(response) {
          return answer
        }
      }
      return .taken(asked: count)
    } catch {
      // A server that accepts the connection without answering is not away.
      let isBusy = error.isTimeout && session.isConnected
      return isBusy ? .busy("no answer: \(error.text)") : .refused("no answer: \(error.text)")
    }
  }

  /// Nil if it says that there is no such bucket.
  private static func judged(_ response: HTTPResponse) -> WriteAnswer? {
    let error = ServerError(response)
    if response.status == 404, error.code == "NoSuchBucket" { return nil }
    if response.status == 429 { return .busy(error.text) }
    // Where every write is encrypted, the Key Manager's errors are those of the write.
    if error.code?.hasPrefix("kms:") == true { return .refused(error.text) }
    return [400, 401, 403, 405, 501].contains(response.status)
      ? .untold(error.text) : .refused(error.text)
  }

  /// Removes the upload from a server that keeps uploads without a bucket.
  private static func abandon(
    _ response: HTTPResponse, _ path: String, _ session: inout Session
  ) throws(ProbeFailure) {
    guard let upload = ServerError.element("UploadId", in: response.body) else { return }
    _ = try session.ask(HTTPRequest("DELETE", path, query: [("uploadId", upload)]))
  }

  /// The server's Key Manager status (`GET /minio/kms/v1/status`, plain JSON). Blocks until the
  /// deadline at the longest.
  package static func kmsStatus(
    _ server: ServerArguments, as credentials: AccessCredentials, deadline: Instant
  ) -> ServerKMSAnswer {
    var session = Session(server: server, credentials: credentials, deadline: deadline)
    defer { session.close() }
    do throws(ProbeFailure) {
      let response = try session.ask(HTTPRequest("GET", "/minio/kms/v1/status"))
      let error = ServerError(response)
      // A server without this question answers 501 too, but without a code.
      if response.status == 501, error.code == "NotImplemented" { return .none }
      guard response.status == 200 else { return .untold(error.text) }
      guard let status = try? JSON.decode(KMSStatus.self, from: response.body),
        (1...Limits.keyNameBytes).contains(status.defaultKeyID.utf8.count)
      else { return .untold("200, and no default key in the answer") }
      return .defaultKey(status.defaultKeyID)
    } catch { return .untold("no answer: \(error.text)") }
  }

  private struct KMSStatus: Decodable {
    var defaultKeyID: String

    enum CodingKeys: String, CodingKey { case defaultKeyID = "default-key-id" }
  }

  /// Requests as the root user, on one connection while it lasts.
  private struct Session {
    let server: ServerArguments
    let credentials: AccessCredentials
    let deadline: Instant
    private var connection: OwnServerConnection?
    private var region = "us-east-1"

    /// Whether the server has accepted the last connection.
    var isConnected: Bool { connection != nil }

    init(server: ServerArguments, credentials: AccessCredentials, deadline: Instant) {
      self.server = server
      self.credentials = credentials
      self.deadline = deadline
    }

    /// Asks again if the server wants its own region in the signature, and names it.
    mutating func ask(_ request: HTTPRequest) throws(ProbeFailure) -> HTTPResponse {
      let response = try send(request)
      guard response.status == 400,
        ["AuthorizationHeaderMalformed", "InvalidRegion"].contains(ServerError(response).code),
        let wanted = ServerError.element("Region", in: response.body), wanted != region
      else { return response }
      region = wanted
      return try send(request)
    }

    private mutating func send(_ request: HTTPRequest) throws(ProbeFailure) -> HTTPResponse {
      let open: OwnServerConnection
      if let connection, connection.staysOpen {
        open = connection
      } else {
        close()
        open = try OwnServerConnection.open(server, until: deadline)
        connection = open
      }
      let signed = SignatureV4.sign(
        request, host: open.host, as: credentials, region: region,
        microseconds: Clock.realtimeMicroseconds())
      return try open.ask(signed, until: deadline)
    }

    mutating func close() {
      connection?.close(until: .inMilliseconds(100))
      connection = nil
    }
  }
}
