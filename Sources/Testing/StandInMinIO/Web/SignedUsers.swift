// SPDX-License-Identifier: Apache-2.0
import Crypto
import HTTP
import Model
import Secrets
import Threads

/// Who may ask what: the root user everything, the users of the behaviour file everything but what it
/// denies them.
struct SignedUsers: Sendable {
  private let root: AccessCredentials
  private let isRootOff: Bool
  /// MinIO allows so much between its clock and the signature's.
  private static let skewSeconds: Int64 = 15 * 60

  /// The one who signed a request.
  struct User: Sendable {
    fileprivate var denied: [String]

    /// Throws the server's error if a policy denies it.
    func mustBeAllowed(_ actions: String...) throws(ServerError) {
      if actions.contains(where: denied.contains) { throw .accessDenied }
    }
  }

  init(_ environment: ServerEnvironment, isRootOff: Bool) {
    let user = environment.get("MINIO_ROOT_USER")
    let password = environment.get("MINIO_ROOT_PASSWORD")
    root =
      user.isEmpty || password.isEmpty
      ? .serverDefault : AccessCredentials(accessKey: Secret(user), secretKey: Secret(password))
    self.isRootOff = isRootOff
  }

  /// Who signed a request; the server's error if nobody that it knows. In the server's order: the
  /// time, the access key, the signature, the body.
  func user(of request: HTTPRequest, _ behaviour: Behaviour) throws(ServerError) -> User {
    let fields = (request.headers["authorization"] ?? "").split { $0 == " " || $0 == "," }
    guard fields.first == Substring(SignatureV4.algorithm) else { throw .accessDenied }
    func value(_ name: String) -> String? {
      fields.first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.count + 1)) }
    }
    guard let time = request.headers[SignatureV4.timeField], let signedAt = Self.seconds(time)
    else { throw .missingDate }
    let now = Clock.realtimeMicroseconds() / 1_000_000
    if abs(now - signedAt) > Self.skewSeconds { throw .skewed }
    guard let credential = value("Credential")?.split(separator: "/").map(String.init),
      credential.count >= 5, let signed = value("SignedHeaders"), let given = value("Signature"),
      let host = request.headers["host"]
    else { throw .accessDenied }
    let accessKey = credential.dropLast(4).joined(separator: "/")
    let scope = Array(credential.suffix(4))
    let (secret, user) = try known(accessKey, behaviour)
    if request.headers["x-amz-security-token"] != nil { throw .badToken }
    let signature = SignatureV4(
      time: time, region: scope[1], service: scope[2],
      fields: signed.split(separator: ";").map(String.init))
    guard signature.text(of: request, host: host, key: secret) == given else {
      throw .badSignature
    }
    if let digest = request.headers[SignatureV4.digestField], digest != "UNSIGNED-PAYLOAD",
      digest != Digest.sha256(request.body).hex
    {
      throw .badDigest
    }
    if let checksum = request.headers["x-amz-checksum-sha256"],
      checksum != Base64URL.standard(Digest.sha256Bytes(request.body))
    {
      throw .badChecksum
    }
    return user
  }

  private func known(
    _ accessKey: String, _ behaviour: Behaviour
  ) throws(ServerError) -> (Secret, User) {
    if accessKey == root.accessKey.reveal() {
      if isRootOff { throw .noSuchAccessKey }
      return (root.secretKey, User(denied: []))
    }
    for line in behaviour.all("user") {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == accessKey {
        return (Secret(String(words[1])), User(denied: behaviour.all("deny")))
      }
    }
    throw .noSuchAccessKey
  }

  /// Seconds since 1970 of `20130524T000000Z`.
  private static func seconds(_ text: String) -> Int64? {
    let digits = text.filter(\.isNumber)
    guard digits.utf8.count == 14, text.utf8.count == 16, text.hasSuffix("Z") else { return nil }
    func number(_ start: Int, _ count: Int) -> Int64 {
      Int64(digits.dropFirst(start).prefix(count)) ?? 0
    }
    let days = CalendarTime.days(number(0, 4), number(4, 2), number(6, 2))
    return days * 86_400 + number(8, 2) * 3_600 + number(10, 2) * 60 + number(12, 2)
  }
}
